"""The byte side of one SMTP connection: commands and content out, replies in."""

from __future__ import annotations

import asyncio
from collections import deque

from appliance.delivery.replies import BadReply, ReplyReader
from appliance.mail.disposition import Trouble, unreachable
from appliance.mail.reply import Reply


class Lost(Exception):
    """The connection is of no more use; `reply` says so in the words of SMTP (always 4yz)."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


CLOSED = unreachable(Trouble.CONNECTION_LOST, "connection closed by the next hop")
ABORTED = unreachable(Trouble.UNKNOWN, "connection ended by this node")


class Wire(asyncio.Protocol):
    """Takes over a connection past EHLO.

    Each reply belongs to a command: what is written says how many it asks for. A reply nobody
    asked for ends the connection, so that it can't be taken for the answer to a later
    command; the usual one is a 421 on an idle connection (RFC 5321 §3.8).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._lost: Reply | None = None
        self._writable = True
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        if transport.is_closing():
            self._lost = CLOSED
        else:
            transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Open, and every reply asked for was taken."""
        return self._lost is None and not self._expected and not self._reader.pending

    def write(self, data: bytes, expect: int) -> None:
        """Send `data`, which asks for that many replies; raises Lost."""
        if self._lost is not None:
            raise Lost(self._lost)
        self.expect(expect)
        self._transport.write(data)

    def expect(self, count: int) -> None:
        """That many more replies may come."""
        self._expected += count

    async def drain(self, seconds: float) -> None:
        """Wait until the peer has taken most of what was written; raises Lost.

        `seconds` is the longest wait.
        """
        while not self._writable:
            await self._wait(seconds)
        if self._lost is not None:
            raise Lost(self._lost)

    async def reply(self, seconds: float) -> Reply:
        """The next reply asked for, within `seconds`; raises Lost."""
        while not self._replies:
            if self._lost is not None:
                raise Lost(self._lost)
            await self._wait(seconds)
        self._expected -= 1
        return self._replies.popleft()

    def early_reply(self) -> Reply | None:
        """A reply that is already there, without taking it."""
        return self._replies[0] if self._replies else None

    def abort(self, why: Reply = ABORTED) -> None:
        """End the connection at once; nothing that is still buffered is sent."""
        self._fail(why)

    def quit(self) -> None:
        """Say goodbye and close, without waiting for the answer."""
        if self._lost is None:
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
            self._end(ABORTED)

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            return
        try:
            replies = self._reader.feed(data)
        except BadReply as bad:
            self._fail(unreachable(Trouble.PROTOCOL, f"protocol error: {bad}"))
            return
        self._replies.extend(replies)
        if len(self._replies) > self._expected:
            unasked = self._replies[self._expected]
            self._fail(unreachable(Trouble.PROTOCOL, f"said without being asked: {unasked}"))
        elif replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(CLOSED)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    def _fail(self, why: Reply) -> None:
        if self._lost is None:
            self._transport.abort()
            self._end(why)

    def _end(self, why: Reply) -> None:
        if self._lost is None:
            self._lost = why
            self._writable = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, seconds: float) -> None:
        # One timer a connection that is rarely moved: arming one per reply would cost more.
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._arm()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._arm()
        else:
            self._fail(unreachable(Trouble.CONNECTION_LOST, "the next hop did not answer in time"))
