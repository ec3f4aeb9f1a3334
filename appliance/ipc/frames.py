"""Length-prefixed frames on a byte stream: the framing that IPC and the peer link share.

A frame is its length (4 bytes, big-endian, not counting itself) and that many bytes. The length
is checked before anything is buffered. What is sent within one tick of the loop leaves in one
write.
"""

from __future__ import annotations

import asyncio
import struct
from enum import StrEnum
from typing import cast

_LENGTH = struct.Struct(">I")
_READ_SIZE = 256 * 1024
_FLUSH_SIZE = 256 * 1024
_HIGH_WATER = 256 * 1024
_UNSENT_LIMIT = 64 * 1024 * 1024


class Lost(StrEnum):
    """Why a connection ended."""

    CLOSED = "closed by this side"
    PEER_CLOSED = "closed by the other side"
    BROKEN = "broken"
    OVERSIZED = "the other side sent a frame over the limit"
    MALFORMED = "the other side sent a malformed frame"
    NOT_READING = "the other side stopped reading"
    SILENT = "nothing heard from the other side"
    REPLACED = "replaced by a newer connection"


class ConnectionLost(ConnectionError):
    """The connection is gone: what was under way on it failed, nobody knows how far it got."""

    def __init__(self, reason: Lost, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class FrameTooLarge(ValueError):
    """The frame exceeds the limit both sides agreed on; nothing was sent."""


class FrameProtocol(asyncio.BufferedProtocol):
    """One connection that carries frames; subclasses say what a frame means.

    `limit` caps frames in both directions, in bytes. `lost()` comes once, at the moment the
    connection can no longer be used, and is the last call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._end: ConnectionLost | None = None
        self._buffer = bytearray(_READ_SIZE)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._out = bytearray()
        self._flush_due = False
        self._writable = asyncio.Event()

    # What subclasses override.

    def opened(self) -> None:
        """The connection can be used."""

    def frame_received(self, body: memoryview) -> None:
        """One frame; `body` is valid during the call only."""
        raise AssertionError("a subclass says what a frame means")

    def lost(self, error: ConnectionLost) -> None:
        """The connection ended."""

    # What users call.

    @property
    def writable(self) -> bool:
        """False while the other side reads more slowly than this side sends."""
        return self._end is None and self._writable.is_set()

    async def wait_writable(self) -> None:
        """Wait until more can be sent without piling up; raises ConnectionLost."""
        while not self.writable:
            self._check()
            await self._writable.wait()

    @property
    def unsent(self) -> int:
        """Bytes the kernel has not taken yet."""
        if self._transport is None:
            return len(self._out)
        return len(self._out) + self._transport.get_write_buffer_size()

    @property
    def peer_address(self) -> str:
        """The IP address of the other end; "" when it has none or is gone."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return str(peer[0]) if peer else ""

    def pause_reading(self) -> None:
        """Stop reading soon: frames already read (at most 256 KiB of them) still arrive."""
        if self._transport is not None and self._end is None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and self._end is None:
            self._transport.resume_reading()

    def close(self, reason: Lost = Lost.CLOSED) -> None:
        """End the connection in order: what was sent before still goes out."""
        if self._end is None:
            self._flush()
            self._finish(ConnectionLost(reason))
            if self._transport is not None:
                self._transport.close()

    def fail(self, reason: Lost, detail: str = "") -> None:
        """End the connection at once, dropping what was not sent yet."""
        if self._end is None:
            self._finish(ConnectionLost(reason, detail))
            if self._transport is not None:
                self._transport.abort()

    # What subclasses send with.

    def _frame_begun(self) -> int:
        """Where the next frame starts in `_out`; raises ConnectionLost."""
        self._check()
        return len(self._out)

    def _check(self) -> None:
        if self._end is not None:
            raise ConnectionLost(self._end.reason, self._end.detail)

    def _frame_ended(self, start: int) -> None:
        """Give the frame that starts at `start` its length; raises FrameTooLarge."""
        size = len(self._out) - start - _LENGTH.size
        if size > self._limit:
            del self._out[start:]
            raise FrameTooLarge(f"a frame of {size} bytes; the limit is {self._limit}")
        _LENGTH.pack_into(self._out, start, size)
        if len(self._out) >= _FLUSH_SIZE:
            self._flush()
        elif not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if not self._out or self._transport is None or self._end is not None:
            return
        # The transport may keep the buffer: the next frames go into a new one.
        out, self._out = self._out, bytearray()
        self._transport.write(out)
        if not self._writable.is_set():
            waiting = self._transport.get_write_buffer_size()
            if waiting > _UNSENT_LIMIT:
                self.fail(Lost.NOT_READING, f"{waiting} bytes wait for it")

    def _finish(self, error: ConnectionLost) -> None:
        self._end = error
        self._out = bytearray()
        self._writable.set()
        self.lost(error)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked by isinstance: uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER, low=_HIGH_WATER // 4)
        self._writable.set()
        self.opened()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            return
        if exc is not None:
            self._finish(ConnectionLost(Lost.BROKEN, f"{type(exc).__name__}: {exc}"))
        else:
            where = "in the middle of a frame" if self._filled else ""
            self._finish(ConnectionLost(Lost.PEER_CLOSED, where))

    def pause_writing(self) -> None:
        if self._end is None:
            self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._end is not None:  # closed in order: what still comes in is not wanted
            self._filled = 0
            return
        start, end = 0, self._filled + nbytes
        wanted = _READ_SIZE
        while end - start >= _LENGTH.size and self._end is None:
            (size,) = _LENGTH.unpack_from(self._buffer, start)
            if size > self._limit:
                self.fail(Lost.OVERSIZED, f"{size} bytes; the limit is {self._limit}")
                return
            stop = start + _LENGTH.size + size
            if stop > end:
                wanted = max(wanted, stop - start)
                break
            self.frame_received(self._view[start + _LENGTH.size : stop])
            start = stop
        self._keep(start, end, wanted)

    def _keep(self, start: int, end: int, wanted: int) -> None:
        """Move the unfinished frame to the front of a buffer that has room for all of it."""
        rest = end - start
        if wanted != len(self._buffer):
            buffer = bytearray(wanted)
            buffer[:rest] = self._view[start:end]
            self._buffer, self._view = buffer, memoryview(buffer)
        elif start and rest:
            self._view[:rest] = bytes(self._view[start:end])
        self._filled = rest
