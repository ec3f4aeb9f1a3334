"""Two connections made one: what one side sends the other gets, until both have ended.

No byte is looked at. A side that reads slowly stops the other from being read; a half-close is
passed on as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from appliance.config.units import Endpoint


class Half(asyncio.Protocol):
    """One of the two; what it reads its `other` writes."""

    other: Half

    def __init__(self, splice: Splice) -> None:
        self.splice = splice
        self.transport: asyncio.Transport | None = None
        self.early = b""
        """What came before there was anybody to write it to."""
        self.sent_all = False
        """Its end has closed its side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream, both ways; uvloop's does not derive from asyncio's class.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        splice = self.splice
        splice.moved = splice.clock()
        splice.started = True
        writer = self.other.transport
        if writer is None:
            self._wait_for_other(data)
        elif not writer.is_closing():
            writer.write(data)

    def _wait_for_other(self, data: bytes) -> None:
        # Only now: uvloop begins to read after connection_made, whatever that paused.
        if self.transport is not None and not self.splice.closing:
            self.early += data
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        self.sent_all = True
        if self.other.sent_all or self.splice.closing:
            self.splice.close()
            return False
        if self.other.transport is not None:
            self.other.transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.splice.close()


class _Client(Half):
    """The half that is there first."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.splice.opened(self.splice)


class _Server(Half):
    """The half that is there second; it is told who the client is, then what the client said.

    One that ends before anything was said, as that of a server that dies, costs the client
    nothing: there may be another server.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        client = self.other
        assert self.transport is not None
        self.splice.moved = self.splice.clock()
        self.transport.write(self.splice.header + client.early)
        client.early = b""
        if self.splice.closing or client.transport is None:
            self.splice.close()
        elif client.sent_all:
            self.transport.write_eof()
        else:
            client.transport.resume_reading()

    def eof_received(self) -> bool:
        # Without a word: for the client it has not begun yet.
        return self.splice.begun and super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self.splice.begun:
            super().connection_lost(error)
        else:
            self.splice.lose_server()


class Splice:
    """A client's connection and the one to its server, which is one of those in `to`.

    `moved`: when something last did, as `clock` tells, in seconds. `header` is what the server is
    told first. `opened` is called when the client is there, `forsaken` when the server is gone
    before anything was said, `ended` once, when nothing is left of either.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        to: Mapping[str, Endpoint],
        opened: Callable[[Splice], None],
        forsaken: Callable[[Splice], None],
        ended: Callable[[Splice], None],
    ) -> None:
        self.clock = clock
        self.to = to
        self.opened = opened
        self.client: Half = _Client(self)
        self.server: Half = _Server(self)
        self.client.other, self.server.other = self.server, self.client
        self.header = b""
        self.moved = clock()
        self.started = False
        """One of them has said something."""
        self.tried = set[str]()
        """Servers that the client was offered in vain."""
        self.closing = False
        self._forsaken = forsaken
        self._ended = ended
        self._over = False

    @property
    def begun(self) -> bool:
        """There is no way back to a client that waits for a server."""
        return self.started or self.closing or self.client.sent_all

    def lose_server(self) -> None:
        """The client is as it was before it had a server."""
        self.server = _Server(self)
        self.client.other, self.server.other = self.server, self.client
        self._forsaken(self)

    def close(self) -> None:
        """No more is read; what is on its way still goes out."""
        if not self.closing:
            self.closing = True
            self.moved = self.clock()
        for half in (self.client, self.server):
            if half.transport is not None:
                half.transport.close()
        self._check_over()

    def give_up_mute_server(self) -> None:
        """If the server has said nothing so far, it is to be another."""
        if self.server.transport is not None and not self.begun:
            self.server.transport.abort()

    def abort(self) -> None:
        """Cut both off."""
        self.closing = True
        for half in (self.client, self.server):
            if half.transport is not None:
                half.transport.abort()
        self._check_over()

    def _check_over(self) -> None:
        if self.client.transport is None and self.server.transport is None and not self._over:
            self._over = True
            self._ended(self)
