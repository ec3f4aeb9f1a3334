"""An SMTP server that does as a script says, and remembers what it really received.

A `Script` gives for each stage (connect, ehlo, helo, mail, rcpt, data, content, dot, rset, quit)
the steps for its first, second, … occurrence on one connection; after those the usual reply. The
stage content comes with the first bytes after 354, where a server usually says nothing. A step is

- a `str`: the reply, lines joined by "\\n";  - `bytes`: put on the wire as they are;
- `Drop`: end the connection, after a reply or without one;
- `Gate`: wait until the test opens it, then do another step (never opened: a stall).

It binds an ephemeral loopback port. Waiting is for events (`received`, `reached`), never for time.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.patience import patiently

TOKEN = re.compile(rb"^X-Token: *(\S+)", re.MULTILINE)
EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
_USUAL: dict[str, str | bytes] = {
    "connect": "220 sink.test ESMTP",
    "helo": "250 sink.test",
    "mail": "250 2.1.0 sender ok",
    "rcpt": "250 2.1.5 recipient ok",
    "data": "354 go ahead",
    "content": b"",
    "dot": "250 2.0.0 taken",
    "rset": "250 2.0.0 reset",
    "noop": "250 2.0.0 ok",
    "starttls": "220 2.0.0 begin",
    "quit": "221 2.0.0 bye",
    "unknown": "500 5.5.1 what?",
}


class Gate:
    """A step that holds the reply back until `open` is called; `reached` tells that it waits."""

    def __init__(self, then: Step | None = None) -> None:
        self.then = then
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        self.reached.set()
        await self._opened.wait()


@dataclass(frozen=True)
class Drop:
    """A step that ends the connection: after `reply` if given, with RST if `reset`."""

    reply: str | None = None
    reset: bool = False


Step = str | bytes | Gate | Drop


@dataclass(frozen=True)
class Script:
    """What one connection meets; `addresses` answers RCPT for an address, before `steps`."""

    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    extensions: Sequence[str] = EXTENSIONS
    addresses: Mapping[str, Step] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    """Where STARTTLS is offered: the usual reply to it begins TLS."""


@dataclass(frozen=True)
class Received:
    """A message up to its final dot. `accepted`: a 2yz reply was written for it."""

    connection: int
    sender: str
    sender_parameters: str
    recipients: tuple[tuple[str, str], ...]
    """(address, parameters) of each recipient that got a 2yz reply."""
    content: bytes
    accepted: bool

    @property
    def token(self) -> str | None:
        found = TOKEN.search(self.content)
        return found[1].decode("ascii") if found else None


class Sink:
    """The server: `async with Sink(Script(...), ...) as sink`, then connect to `sink.port`.

    The n-th connection follows the n-th script, later ones the last.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1") -> None:
        self.scripts = scripts or (Script(),)
        self.host = host
        self.port = 0
        self.messages: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.most_open = 0
        self.commands: list[tuple[int, str]] = []
        """(connection, command line) in the order of arrival."""
        self.violations: list[str] = []
        """What a server may not be sent: bare CR or LF, pipelining that was not offered."""
        self.partial = 0
        """Messages whose DATA began and whose final dot never came."""
        self.stages: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    @property
    def tokens(self) -> Counter[str]:
        """How often each X-Token was accepted."""
        return Counter(m.token for m in self.messages if m.token and m.accepted)

    async def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Sink:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def received(self, count: int) -> None:
        """Wait until that many messages came up to their final dot."""
        async with self._changed:
            await patiently(self._changed.wait_for(lambda: len(self.messages) >= count))

    async def reached(self, stage: str, count: int = 1) -> None:
        """Wait until a stage came that often over all connections; "closed" counts ends."""
        async with self._changed:
            await patiently(self._changed.wait_for(lambda: self.stages[stage] >= count))

    async def note(self, stage: str) -> None:
        self.stages[stage] += 1
        async with self._changed:
            self._changed.notify_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        number = self.connections
        self.connections += 1
        self.open_connections += 1
        self.most_open = max(self.most_open, self.open_connections)
        script = self.scripts[min(number, len(self.scripts) - 1)]
        try:
            await _Connection(self, number, script, reader, writer).run()
        except (_Ended, ConnectionError):
            pass
        except asyncio.CancelledError:
            # A cancelled client handler is logged by asyncio as an error; this one is expected.
            writer.transport.abort()
        finally:
            self.open_connections -= 1
            writer.close()
            await self.note("closed")


class _Ended(Exception):
    """The connection is over; `reply` was the last thing said."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__(reply)
        self.reply = reply


class _Connection:
    def __init__(
        self,
        sink: Sink,
        number: int,
        script: Script,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._sink, self._number, self._script = sink, number, script
        self._reader, self._writer = reader, writer
        self._buffer = bytearray()
        self._seen: Counter[str] = Counter()
        self._secure = False
        self._sender = self._sender_parameters = ""
        self._recipients: list[tuple[str, str]] = []

    async def run(self) -> None:
        await self._answer("connect")
        while True:
            line = (await self._line()).decode("utf-8", "surrogateescape")
            self._sink.commands.append((self._number, line))
            if self._buffer and "PIPELINING" not in self._script.extensions:
                self._sink.violations.append(
                    f"{line!r} pipelined with {bytes(self._buffer[:60])!r}"
                )
            await self._command(line)

    async def _command(self, line: str) -> None:
        verb = line.split(" ", 1)[0].split(":", 1)[0].lower()
        if verb == "ehlo":
            await self._answer("ehlo", self._ehlo())
        elif verb == "mail":
            if _positive(await self._answer("mail")):
                self._sender, self._sender_parameters = _path(line)
                self._recipients = []
        elif verb == "rcpt":
            address, parameters = _path(line)
            if _positive(await self._answer("rcpt", address=address)):
                self._recipients.append((address, parameters))
        elif verb == "data":
            await self._data()
        elif verb == "starttls":
            await self._start_tls()
        elif verb == "rset":
            self._recipients = []
            await self._answer("rset")
        elif verb == "quit":
            await self._answer("quit")
            raise _Ended
        else:
            await self._answer(verb if verb in _USUAL else "unknown")

    def _ehlo(self) -> str:
        offered = list(self._script.extensions)
        if self._script.tls and not self._secure:
            offered.insert(0, "STARTTLS")
        usual = "\n".join(["250-sink.test", *(f"250-{e}" for e in offered)])
        head, _, last = usual.rpartition("250-")
        return f"{head}250 {last}"

    async def _start_tls(self) -> None:
        context = self._script.tls
        if not (await self._answer("starttls")).startswith(b"220") or context is None:
            return
        try:
            await self._writer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            raise _Ended from None
        self._secure = True
        await self._sink.note("secure")

    async def _data(self) -> None:
        none = None if self._recipients else "554 5.5.1 no valid recipients"
        if (await self._answer("data", none)).startswith(b"354"):
            await self._content()

    async def _content(self) -> None:
        try:
            content = await self._until_dot()
        except (_Ended, ConnectionError, asyncio.CancelledError):
            self._sink.partial += 1
            raise
        record = Received(
            self._number, self._sender, self._sender_parameters, tuple(self._recipients),
            content, accepted=True,
        )  # fmt: skip
        index = len(self._sink.messages)
        self._sink.messages.append(record)
        self._recipients = []
        accepted = False
        try:
            accepted = _positive(await self._answer("dot"))
        except _Ended as ended:
            accepted = _positive(ended.reply)
            raise
        finally:
            if not accepted:
                self._sink.messages[index] = Received(
                    record.connection, record.sender, record.sender_parameters,
                    record.recipients, content, accepted=False,
                )  # fmt: skip

    async def _until_dot(self) -> bytes:
        """Content to the final dot, dots unstuffed (RFC 5321 §4.5.2)."""
        searched = 0
        # The CRLF that ended the DATA command also counts before a dot: "DATA CRLF . CRLF".
        self._buffer[:0] = b"\r\n"
        while (end := self._buffer.find(b"\r\n.\r\n", max(0, searched - 4))) < 0:
            before, searched = searched, len(self._buffer)
            await self._fill()
            if before == 0:
                await self._answer("content")
        raw = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        if not raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n"):
            self._sink.violations.append("bare CR or LF in content")
        return raw.replace(b"\r\n.", b"\r\n")[2:]

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if b"\r" in line or b"\n" in line:
            self._sink.violations.append(f"bare CR or LF in command {line!r}")
        return line

    async def _fill(self) -> None:
        data = await self._reader.read(1 << 18)
        if not data:
            raise _Ended
        self._buffer += data

    async def _answer(
        self, stage: str, usual: str | bytes | None = None, address: str = ""
    ) -> bytes:
        """Do the step for this occurrence of a stage; returns what was written."""
        steps = self._script.steps.get(stage, ())
        nth = self._seen[stage]
        self._seen[stage] += 1
        await self._sink.note(stage)
        step: Step | None = self._script.addresses.get(address) if address else None
        if step is None:
            step = steps[nth] if nth < len(steps) else (usual or _USUAL[stage])
        return await self._do(step, usual or _USUAL[stage])

    async def _do(self, step: Step, usual: str | bytes) -> bytes:
        if isinstance(step, Gate):
            await step.passed()
            return await self._do(step.then if step.then is not None else usual, usual)
        if isinstance(step, Drop):
            reply = b"" if step.reply is None else _lines(step.reply)
            await self._write(reply)
            if step.reset:
                self._writer.transport.abort()
            raise _Ended(reply)
        raw = step if isinstance(step, bytes) else _lines(step)
        await self._write(raw)
        return raw

    async def _write(self, raw: bytes) -> None:
        self._writer.write(raw)
        await self._writer.drain()


def _lines(reply: str) -> bytes:
    return reply.replace("\n", "\r\n").encode() + b"\r\n"


def _positive(raw: bytes) -> bool:
    return raw[:1] == b"2"


def _path(line: str) -> tuple[str, str]:
    """Address and parameters of a MAIL or RCPT line."""
    path, _, parameters = line.partition(":")[2].strip().partition("> ")
    return path.removeprefix("<").removesuffix(">"), parameters
