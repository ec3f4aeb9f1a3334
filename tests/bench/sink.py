"""A next hop that only counts: which token came how often.

A process of its own, `python -m tests.bench.sink --listen HOST:PORT`, led by lines on its
standard input, each answered with a line of JSON:

    count             what came so far
    taken N SECONDS   the same, once N different tokens came or SECONDS went by
    refused N SECONDS the same, once N recipients were refused
    tokens FILE       the same, once FILE holds "token times" lines
    reset             forget all

It says {"port": …} when it listens and ends with its standard input, so it outlives nobody.
A recipient "later@…" is refused for now, which is how a queue gets full of deferred mail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import cast

import uvloop

TOKEN_FIELD = b"X-Bench-Token"
_TOKEN = re.compile(rb"^" + TOKEN_FIELD + rb": ([\w-]+)\r\n", re.MULTILINE)
_END = b"\r\n.\r\n"
_HEADER_LIMIT = 65536

_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE\r\n"
_REPLIES = {
    b"EHLO": _EHLO,
    b"HELO": b"250 sink.test\r\n",
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
}


class Sink:
    """The tokens of all messages taken, with how often each came."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.refused = 0
        self._last = 0.0
        self._wanted = 0, 0
        self._reached = asyncio.Event()

    def take(self, token: str) -> None:
        """Count one message."""
        self.seen[token] += 1
        self._last = monotonic()
        self._look()

    def refuse(self) -> None:
        """Count one recipient that shall come again later."""
        self.refused += 1
        self._look()

    async def wait(self, taken: int, refused: int, seconds: float) -> None:
        """Return once so many different tokens and refusals came, or after `seconds`."""
        self._wanted, self._reached = (taken, refused), asyncio.Event()
        self._look()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reached.wait(), seconds)

    def _look(self) -> None:
        taken, refused = self._wanted
        if len(self.seen) >= taken and self.refused >= refused:
            self._reached.set()

    def write(self, path: Path) -> None:
        """Write a line "token times" for each token."""
        lines = [f"{token} {times}\n" for token, times in self.seen.items()]
        path.write_text("".join(lines), encoding="ascii")

    def figures(self) -> dict[str, float]:
        """What came, what was refused, and the seconds of CPU this process has used."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "messages": self.seen.total(),
            "distinct": len(self.seen),
            "refused": self.refused,
            "last": self._last,
            "cpu": used.ru_utime + used.ru_stime,
        }


class SinkSession(asyncio.Protocol):
    """One connection: no checks, since it measures others, but a strict end of data."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._line = b""
        self._recipients = False
        self._in_data = False
        self._header: bytes | None = b""
        self._token = ""
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every command and message in `data` with one write."""
        replies: list[bytes] = []
        rest: bytes | None = data
        while rest is not None:
            rest = self._data(rest, replies) if self._in_data else self._command(rest, replies)
        if replies:
            self._transport.write(b"".join(replies))
            if replies[-1].startswith(b"221"):
                self._transport.close()

    def _command(self, data: bytes, replies: list[bytes]) -> bytes | None:
        line, end, rest = (self._line + data).partition(b"\r\n")
        if not end:
            self._line = line
            return None
        self._line = b""
        verb = line[:4].upper()
        if verb == b"DATA" and self._recipients:
            replies.append(b"354 go on\r\n")
            self._in_data, self._header, self._token, self._tail = True, b"", "", b"\r\n"
        elif verb == b"RCPT" and line[8:15] == b"<later@":
            self._sink.refuse()
            replies.append(b"451 4.2.1 later\r\n")
        elif verb == b"QUIT":
            replies.append(b"221 2.0.0 bye\r\n")
            return None
        else:
            if verb != b"NOOP":
                self._recipients = verb == b"RCPT"
            replies.append(_REPLIES.get(verb, b"503 5.5.1 not now\r\n"))
        return rest

    def _data(self, data: bytes, replies: list[bytes]) -> bytes | None:
        if self._header is not None:
            self._look_for_token(data)
        data = self._tail + data
        end = data.find(_END)
        if end < 0:
            self._tail = data[-4:]
            return None
        self._in_data = False
        self._sink.take(self._token)
        replies.append(b"250 2.0.0 taken\r\n")
        return data[end + len(_END) :]

    def _look_for_token(self, data: bytes) -> None:
        assert self._header is not None
        self._header += data
        found = _TOKEN.search(self._header)
        if found:
            self._token = found[1].decode()
        if found or len(self._header) > _HEADER_LIMIT:
            self._header = None


async def serve(host: str, port: int) -> None:
    """Listen, and obey standard input until it ends."""
    loop = asyncio.get_running_loop()
    sink = Sink()
    server = await loop.create_server(lambda: SinkSession(sink), host, port, backlog=1024)
    _say({"port": server.sockets[0].getsockname()[1]})
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async for line in orders:
        order, _, argument = line.decode().strip().partition(" ")
        if order in ("taken", "refused"):
            wanted, seconds = argument.split()
            taken, refused = (int(wanted), 0) if order == "taken" else (0, int(wanted))
            await sink.wait(taken, refused, float(seconds))
        elif order == "tokens":
            sink.write(Path(argument))
        elif order == "reset":
            sink.seen.clear()
        _say(sink.figures())
    server.close()


def _say(figures: dict[str, float]) -> None:
    print(json.dumps(figures), flush=True)


def main() -> None:
    """Run the sink."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    uvloop.run(serve(host, int(port)))


if __name__ == "__main__":
    main()
