"""The stream of one SMTP connection: lines and blocks in, replies out, TLS, timeouts, its end."""

from __future__ import annotations

import asyncio
import math
import ssl

from aiosmtpd.smtp import SMTP

from appliance.mail.reply import Reply
from appliance.smtpd.events import Event
from appliance.smtpd.inbox import Inbox
from appliance.smtpd.replies import SHUTTING_DOWN, TIMED_OUT, encode
from appliance.smtpd.service import Service
from appliance.smtpd.tls import Tls, TlsFailed

_WRITE_AHEAD = 64 << 10
"""Bytes of replies that may wait for the client to read them while it sends more commands."""
_TURN = 50
"""Commands of one client obeyed before the others get their turn."""


class Stream(SMTP):
    """aiosmtpd's protocol with the strictness and the speed that a relay needs.

    `SMTP.__init__` inspects each attribute of itself and of its handler, a third of the cost of
    a connection with one message; it is not called, what the rest needs is set here.
    """

    transport: asyncio.Transport | None

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.inbox = Inbox(loop)
        asyncio.StreamReaderProtocol.__init__(self, self.inbox, self._cb_client_connected, loop)
        self.loop = loop
        self.hostname = service.hostname  # never getfqdn(): it asks DNS and blocks the loop
        self.transport = None
        self.service = service
        self.tls: Tls | None = None
        """Set from the moment when nothing that comes is plain text any more."""
        self.client = ""
        """Its address, "" before it is admitted."""
        self.closing = False
        """Nothing more is read, a last reply may be on its way."""
        self.end_reason = ""
        self._out: list[bytes] = []
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._turn = 0
        self._waits_for_command = False
        self._draining = False
        self._shaken: asyncio.Future[None] | None = None
        self._introducing = False
        """Nobody has said yet who the client is."""

    # What a session says

    def say(self, reply: bytes) -> None:
        """Answer, at the latest when the client has to be waited for (RFC 2920 §3.2)."""
        self._out.append(reply)

    def hang_up(self, reply: Reply, reason: str) -> None:
        """Say a last word and end the connection; what the client still sends is not read."""
        if self.closing or self.transport is None:
            return
        self.say(encode(reply))
        self._send_last()
        self.closing = True
        self.end_reason = reason
        # Not close(): unread input would turn it into a reset, which overtakes the reply.
        self.transport.write_eof()
        self.inbox.close()
        self._set_timer(self.service.limits.close_timeout.seconds)

    def finish(self, reason: str) -> None:
        """What was said still goes out, then the connection ends."""
        if self.closing or self.transport is None:
            return
        self._send_last()
        self.closing = True
        self.end_reason = reason
        self.transport.close()
        self._set_timer(self.service.limits.close_timeout.seconds)

    async def next_line(self, limit: int = 0) -> bytes | None:
        """The next command, None when there will be none; raises BadLine.

        `limit` in bytes, if not that of commands.
        """
        limit = limit or self.service.limits.command_line
        if self.closing:
            return None
        line = self.inbox.take_line(limit)
        if line is not None:
            self._turn += 1
            if self._turn % _TURN == 0:
                await asyncio.sleep(0)
            return line
        await self._flush()
        if self._draining or self.service.draining:
            self.hang_up(SHUTTING_DOWN, "shutdown")
            return None
        # One deadline for the whole line: bytes that dribble in don't move it.
        self._arm(self.service.limits.command_timeout.seconds)
        self._waits_for_command = True
        try:
            while True:
                line = self.inbox.take_line(limit)  # more may have come while replies went out
                if line is not None or not await self.inbox.more():
                    return line
        finally:
            self._waits_for_command = False
            self._disarm()

    async def next_block(self, most: int) -> bytes:
        """The next bytes of a message, b"" if no more will come."""
        block = self.inbox.take(most)
        if block:
            return block
        await self._flush()
        # Armed only while the client is waited for: neither disk, peer nor commit is its fault.
        self._arm(self.service.limits.data_timeout.seconds)
        try:
            while True:
                block = self.inbox.take(most)
                if block or not await self.inbox.more():
                    return block
        finally:
            self._disarm()

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """From here on everything is TLS; False if the client fails at it, and is gone.

        What has come before is taken for the beginning of TLS, so nothing that was sent as plain
        text can ever be taken for a command after it (RFC 3207 §6, CVE-2011-0411).
        """
        self._send()
        if self.closing or self.transport is None:
            return False
        self.tls = Tls(context)
        self._shaken = self.loop.create_future()
        # One deadline for all of it: bytes that dribble in don't move it.
        self._arm(self.service.limits.handshake_timeout.seconds)
        early = self.inbox.take(self.inbox.waiting)
        if early:
            self.data_received(early)
        await self._shaken
        self._disarm()
        return self.tls.established and not self.closing

    # What the transport says

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        if self.tls is None:
            self.inbox.feed_data(data)
        else:
            self._decrypt(self.tls, data)

    def eof_received(self) -> bool:
        """A half-close: what was sent before is still obeyed and answered."""
        if self.closing or self.transport is None:
            return False
        self._shake()
        self.inbox.feed_eof()
        return True

    def abort(self) -> None:
        """Cut the connection off."""
        if self.transport is not None:
            self.transport.abort()

    # Inside

    def _decrypt(self, tls: Tls, data: bytes) -> None:
        try:
            text = tls.feed(data)
        except TlsFailed as error:
            self.service.traffic.tls_failed += 1
            self.service.emit(Event.TLS_FAILED, client=self.client, reason=str(error))
            self.finish("TLS failed")  # with the alert that says why
            self._shake()
            return
        output = tls.output()
        if output and self.transport is not None:
            self.transport.write(output)
        if tls.established and self._shaking:
            self.service.traffic.tls[tls.version] += 1
            self._shake()
        if text:
            self.inbox.feed_data(text)
        if tls.ended:
            self._shake()
            self.inbox.feed_eof()

    @property
    def _shaking(self) -> bool:
        """Whether a handshake is under way."""
        return self._shaken is not None and not self._shaken.done()

    def _shake(self) -> None:
        """The handshake is over, well or not."""
        if self._shaken is not None and not self._shaken.done():
            self._shaken.set_result(None)

    def _send(self) -> None:
        if self._out and self.transport is not None:
            said = b"".join(self._out)
            if self.tls is not None:
                self.tls.write(said)
                said = self.tls.output()
            self.transport.write(said)
        self._out.clear()

    def _send_last(self) -> None:
        """What was said, and in TLS that it is all."""
        if self._shaking:
            self._out.clear()  # the client could not read it
        self._send()
        if self.tls is not None and self.transport is not None:
            self.tls.close()
            self.transport.write(self.tls.output())

    async def _flush(self) -> None:
        """Send what was said, and wait if the client sends commands but reads no replies."""
        self._send()
        if self.transport is None or self.transport.get_write_buffer_size() <= _WRITE_AHEAD:
            return
        self._arm(self.service.limits.command_timeout.seconds)
        try:
            await self._writer.drain()
        except ConnectionResetError:
            pass  # the session learns it from its input
        finally:
            self._disarm()

    def _arm(self, seconds: float) -> None:
        """The client has `seconds` to do something."""
        if not self.closing:
            self._set_timer(seconds)

    def _set_timer(self, seconds: float) -> None:
        # A timer that would come too early is not moved: when it comes, it is set again.
        self._deadline = deadline = self.loop.time() + seconds
        if self._timer is None or deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self.loop.call_at(deadline, self._tick)

    def _disarm(self) -> None:
        if not self.closing:
            self._deadline = math.inf

    def _tick(self) -> None:
        self._timer = None
        if self.loop.time() < self._deadline:
            if self._deadline < math.inf:
                self._set_timer(self._deadline - self.loop.time())
        elif self._shaking:
            self.service.traffic.tls_failed += 1
            self.service.emit(Event.TLS_FAILED, client=self.client, reason="timeout")
            self.abort()
        elif self.closing or self._introducing:
            self.abort()
        else:
            self.hang_up(TIMED_OUT, "timeout")
