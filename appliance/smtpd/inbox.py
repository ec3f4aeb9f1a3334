"""The bytes a client sent and nobody has looked at yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_READ_AHEAD = 64 << 10
"""The transport is paused when twice this many bytes wait here."""


class BadLine(Exception):
    """A command line that can't be obeyed; `fatal`: nothing after it can be trusted either."""

    def __init__(self, reason: str, fatal: bool = False) -> None:
        super().__init__(reason)
        self.fatal = fatal


class Inbox(asyncio.StreamReader):
    """A StreamReader that hands out what is there without a coroutine per line or block."""

    # Of the standard StreamReader, alike in 3.11 to 3.13, but not in its stub.
    _buffer: bytearray
    _eof: bool
    _wait_for_data: Callable[[str], Awaitable[None]]
    _maybe_resume_transport: Callable[[], None]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_READ_AHEAD, loop)
        self._skipping = False

    @property
    def waiting(self) -> int:
        """Bytes that nobody has taken."""
        return len(self._buffer)

    async def more(self) -> bool:
        """Wait until the client sends more; False if it can't: its side is closed."""
        if self._eof:
            return False
        before = len(self._buffer)
        await self._wait_for_data("more")
        return len(self._buffer) > before

    def take_line(self, limit: int) -> bytes | None:
        """The next command without its CRLF, None if it is not all there; raises BadLine.

        A bare LF ends no line (RFC 5321 §2.3.8). Whether it was meant to is anybody's guess,
        and the guess decides what the next command is: so it is fatal.
        """
        buffer = self._buffer
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > limit:
                self._skipping = True
                del buffer[:-1]  # the last byte may be the CR
                self._maybe_resume_transport()
            return None
        if end == 0 or buffer[end - 1] != 0x0D:
            raise BadLine("Bare LF: lines must end with CRLF", fatal=True)
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        self._maybe_resume_transport()
        if self._skipping or end > limit:
            self._skipping = False
            raise BadLine("Command line too long")
        return line

    def take(self, most: int) -> bytes:
        """What is there, up to `most` bytes; b"" if nothing is."""
        buffer = self._buffer
        if len(buffer) <= most:
            taken = bytes(buffer)
            buffer.clear()
        else:
            taken = bytes(buffer[:most])
            del buffer[:most]
        self._maybe_resume_transport()
        return taken

    def put_back(self, rest: bytes) -> None:
        """Return what `take` took too much; it is next again."""
        self._buffer[:0] = rest

    def close(self) -> None:
        """Nothing more is wanted: forget what is there, wake whoever waits for more."""
        self._buffer.clear()
        self._maybe_resume_transport()
        self.feed_eof()
