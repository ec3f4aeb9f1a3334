"""A load generator that leaves the cores to those it measures.

A process of its own, `python -m tests.bench.load --to HOST:PORT …`. Every message is unique by a
token. MAIL, RCPT and DATA go out in one write (RFC 2920 §3.1); the next message only after the
reply to the last one, so CONNECTIONS messages are under way at most. At the end one line of JSON
tells the rate and the time from final dot to reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import sys
from array import array
from collections import Counter
from enum import Enum, auto
from pathlib import Path
from time import monotonic
from typing import cast

import msgspec
import uvloop

from tests.bench.sink import TOKEN_FIELD

_FILLER = b"The quick brown fox jumps over the lazy dog and writes to the ward about it.\r\n"
_ENVELOPE_REPLIES = 3  # to MAIL, RCPT and DATA
_GIVE_UP_AFTER = 100  # refusals and lost connections: then there is nothing to measure


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `per_connection` 0: no limit. Ends after `messages` or `seconds`."""

    to: tuple[str, int]
    run: str
    connections: int = 20
    per_connection: int = 0
    size: int = 4096
    messages: int = sys.maxsize
    seconds: float = 3600.0
    tls: bool = False
    """By STARTTLS, whoever the server is."""
    sender: str = "ward@site.test"
    recipient: str = "lab@bench.example"


class Template:
    """Messages of one size that differ in their token only."""

    def __init__(self, load: Load) -> None:
        self._head = (
            f"From: <{load.sender}>\r\nTo: <{load.recipient}>\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: bench\r\n"
        ).encode()
        self._run = load.run.encode()
        self._body = b""
        room = load.size - len(self.message(0)) - 2
        if room < 0:
            raise ValueError(f"{load.size} bytes are too few for a header")
        text = (_FILLER * (room // len(_FILLER) + 1))[:room]
        self._body = text.removesuffix(b"\r") + b"\r\n"

    def token(self, number: int) -> bytes:
        """The token of message `number`."""
        return b"%s-%08d" % (self._run, number)

    def message(self, number: int) -> bytes:
        """The content of message `number`."""
        token = self.token(number)
        return b"%sMessage-ID: <%s@bench.example>\r\n%s: %s\r\n\r\n%s" % (
            self._head,
            token,
            TOKEN_FIELD,
            token,
            self._body,
        )


class Run:
    """One run: hands out message numbers and gathers what became of them."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.template = Template(load)
        self.envelope = (
            f"MAIL FROM:<{load.sender}> SIZE={load.size}\r\nRCPT TO:<{load.recipient}>\r\nDATA\r\n"
        ).encode()
        self.accepted = array("q")
        self.seconds = array("d")
        self.errors: Counter[str] = Counter()
        self.started = monotonic()
        self.ended = self.started
        self._next = 0
        self.tls = any_server() if load.tls else None

    @property
    def over(self) -> bool:
        """Enough was sent, or too much went wrong."""
        return (
            self._next >= self.load.messages
            or monotonic() - self.started >= self.load.seconds
            or self.errors.total() >= _GIVE_UP_AFTER
        )

    def next_number(self) -> int | None:
        """The number of the next message, None when there is none."""
        if self.over:
            return None
        self._next += 1
        return self._next

    def took(self, number: int, seconds: float) -> None:
        """Message `number` got its 250, `seconds` after its final dot."""
        self.accepted.append(number)
        self.seconds.append(seconds)
        self.ended = monotonic()

    def figures(self) -> dict[str, object]:
        """What there is to print."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        ordered = sorted(self.seconds) or [0.0]
        return {
            "accepted": len(self.accepted),
            "started": self.started,
            "seconds": self.ended - self.started,
            "p50": ordered[len(ordered) // 2],
            "p99": ordered[len(ordered) * 99 // 100],
            "longest": ordered[-1],
            "cpu": used.ru_utime + used.ru_stime,
            "errors": dict(self.errors),
        }


class _Waiting(Enum):
    GREETING = auto()
    EHLO = auto()
    STARTTLS = auto()
    ENVELOPE = auto()
    ACCEPTED = auto()
    GOODBYE = auto()


class Client(asyncio.Protocol):
    """One connection; `closed` is set when it is over."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting = _Waiting.GREETING
        self._line = b""
        self._replies = 0
        self._sent = 0
        self._left = run.load.per_connection or sys.maxsize
        self._dot_at = 0.0
        self._secure = run.tls is None
        self._starting: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take every reply that ends in `data`: its last line has a space after the code."""
        *lines, self._line = (self._line + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self._reply(line)

    def _reply(self, line: bytes) -> None:
        if self._waiting is _Waiting.GOODBYE:
            self._transport.close()
        elif line[:1] not in b"23":
            self._run.errors[line.decode(errors="replace")] += 1
            self._waiting = _Waiting.GOODBYE
            self._transport.close()
        elif self._waiting is _Waiting.GREETING:
            self._waiting = _Waiting.EHLO
            self._transport.write(b"EHLO client.example\r\n")
        elif self._waiting is _Waiting.EHLO and not self._secure:
            self._waiting = _Waiting.STARTTLS
            self._transport.write(b"STARTTLS\r\n")
        elif self._waiting is _Waiting.STARTTLS:
            self._starting = asyncio.get_running_loop().create_task(self._start_tls())
        elif self._waiting is _Waiting.ENVELOPE:
            self._replies += 1
            if self._replies == _ENVELOPE_REPLIES:
                self._waiting = _Waiting.ACCEPTED
                self._transport.writelines((self._run.template.message(self._sent), b".\r\n"))
                self._dot_at = monotonic()
        elif self._waiting is _Waiting.ACCEPTED:
            self._run.took(self._sent, monotonic() - self._dot_at)
            self._next()
        else:
            self._next()

    async def _start_tls(self) -> None:
        assert self._run.tls is not None
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, self._run.tls)
        assert transport is not None
        self._transport, self._secure = transport, True
        self._waiting = _Waiting.EHLO
        self._transport.write(b"EHLO client.example\r\n")

    def _next(self) -> None:
        number = self._run.next_number() if self._left else None
        if number is None:
            self._waiting = _Waiting.GOODBYE
            self._transport.write(b"QUIT\r\n")
            return
        self._left -= 1
        self._sent, self._replies, self._waiting = number, 0, _Waiting.ENVELOPE
        self._transport.write(self._run.envelope)

    def connection_lost(self, error: Exception | None) -> None:
        """Whatever was under way got no answer."""
        if self._waiting is not _Waiting.GOODBYE:
            self._run.errors["connection lost"] += 1
        self.closed.set_result(None)


def any_server() -> ssl.SSLContext:
    """TLS with whoever is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def send(load: Load) -> Run:
    """Send `load` and return what became of it; OSError if nobody listens."""
    loop = asyncio.get_running_loop()
    run = Run(load)

    async def keep_connected() -> None:
        while not run.over:
            _, client = await loop.create_connection(lambda: Client(run), *load.to)
            await client.closed

    await asyncio.gather(*[keep_connected() for _ in range(load.connections)])
    return run


def main() -> None:
    """Send a load and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--run", required=True, help="opens the token of every message")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--per-connection", type=int, default=0, help="messages; 0: no limit")
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message")
    parser.add_argument("--messages", type=int, default=sys.maxsize)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--tls", type=bool, default=False, help="use STARTTLS")
    parser.add_argument("--sender", default="ward@site.test")
    parser.add_argument("--recipient", default="lab@bench.example")
    parser.add_argument("--tokens", type=Path, help="file for the tokens that got 250")
    options = vars(parser.parse_args())
    tokens: Path | None = options.pop("tokens")
    host, _, port = options.pop("to").rpartition(":")
    run = uvloop.run(send(Load(to=(host, int(port)), **options)))
    if tokens:
        tokens.write_bytes(b"".join(run.template.token(n) + b"\n" for n in run.accepted))
    print(json.dumps(run.figures()))


if __name__ == "__main__":
    main()
