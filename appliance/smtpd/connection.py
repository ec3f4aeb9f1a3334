"""The plumbing of one SMTP connection: command lines in, replies out, timeouts, its end."""

from __future__ import annotations

import asyncio
import math
import ssl
from abc import ABC, abstractmethod
from typing import cast

from aiosmtpd.smtp import SMTP

from appliance.mail.reply import Reply
from appliance.smtpd.events import Event
from appliance.smtpd.inbox import Inbox
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.proxy import BadHeader, Balancers, Header, read_header
from appliance.smtpd.replies import INTERNAL_ERROR, SHUTTING_DOWN, TIMED_OUT, encode
from appliance.smtpd.service import Service
from appliance.smtpd.tls import Tls, TlsFailed

_WRITE_AHEAD = 64 << 10
"""Bytes of replies that may wait for the client to read them while it sends more commands."""
_HANDSHAKE = 64 << 10
"""Bytes of a client's first words in TLS."""
_CROWD = 2
"""So many times the clients that are served may be here and not yet introduced."""
_TURN = 50
"""Commands of one client obeyed before the others get their turn."""


class Connection(SMTP, ABC):
    """aiosmtpd's protocol with the strictness and the speed that a relay needs.

    One task serves one connection, and nobody ever cancels it: the end of the connection, a
    timeout or a shutdown reaches it as the end of its input. So a commit under way can't be
    cancelled by a client that closes, half-closes or resets; its outcome is always known.

    `SMTP.__init__` inspects each attribute of itself and of its handler, a third of the cost of
    a connection with one message; it is not called, what the rest needs is set here.
    """

    transport: asyncio.Transport | None
    conversation: asyncio.Task[None]

    def __init__(
        self,
        service: Service,
        open_connections: set[Connection],
        loop: asyncio.AbstractEventLoop,
        listener: Listener = RELAY,
    ) -> None:
        self.inbox = Inbox(loop)
        asyncio.StreamReaderProtocol.__init__(self, self.inbox, self._cb_client_connected, loop)
        self.loop = loop
        self.hostname = service.hostname  # never getfqdn(): it asks DNS and blocks the loop
        self.transport = None
        self.service = service
        self.listener = listener
        self.tls: Tls | None = None
        """Set from the moment when nothing that comes is plain text any more."""
        self.client = ""
        """Its address, "" before it is admitted."""
        self.is_check = False
        """A balancer looks whether this server is there: nobody's client, with nobody's rights."""
        self.closing = False
        """Nothing more is read, a last reply may be on its way."""
        self.end_reason = ""
        self._open_connections = open_connections
        self._out: list[bytes] = []
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._turn = 0
        self._waits_for_command = False
        self._conversing = True
        self._draining = False
        self._shaken: asyncio.Future[None] | None = None
        self._balancer = ""
        self._introducing = listener.balancers is not None

    # What a session says

    @abstractmethod
    async def converse(self) -> None:
        """Serve the client until one side wants no more."""

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
        early = self.inbox.take(_HANDSHAKE)
        if early:
            self.data_received(early)
        await self._shaken
        self._disarm()
        return self.tls.established and not self.closing

    # What the transport says

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        # A stream, both ways; uvloop's does not derive from asyncio's class.
        transport = cast(asyncio.Transport, made)
        peer = transport.get_extra_info("peername")
        if not peer:  # gone already
            transport.abort()
            return
        # Without the zone of a link-local address: it means nothing to anyone else.
        client = str(peer[0]).partition("%")[0]
        if self.listener.balancers is None:
            refusal = self._admit(client)
            if refusal is not None:
                if not self.listener.implicit:  # there nothing that is said would be understood
                    transport.write(encode(refusal))
                transport.close()
                return
        else:
            reason = self._turned_away(self.listener.balancers, client)
            if reason:
                self.service.emit(Event.CONNECTION_REFUSED, client=client, reason=reason)
                transport.abort()
                return
            self._balancer = client
        self.transport = transport
        asyncio.StreamReaderProtocol.connection_made(self, transport)
        self._open_connections.add(self)
        self.conversation = self.loop.create_task(self._handle_client())

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

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is None:
            return
        self.transport = None
        if error is not None and not self.closing:
            self.end_reason = "connection lost"
        self.closing = True
        self._shake()
        if self._timer is not None:
            self._timer.cancel()
        if self.client:
            self.service.release(self.client)
        # Not the error: it would be raised into the session, which has to be told only that
        # there is no more input.
        asyncio.StreamReaderProtocol.connection_lost(self, None)
        if not self._conversing:
            self._open_connections.discard(self)

    # What the server says

    @property
    def local_host(self) -> str:
        """The address of this machine to which the client connected, "" if it is gone."""
        name = self.transport.get_extra_info("sockname") if self.transport else None
        return str(name[0]) if name else ""

    def drain(self) -> None:
        """No more service: an idle client is sent away, another after its current command."""
        self._draining = True
        if self._introducing or self._shaking:
            self.abort()
        elif self._waits_for_command:
            self.hang_up(SHUTTING_DOWN, "shutdown")

    def abort(self) -> None:
        """Cut the connection off."""
        if self.transport is not None:
            self.transport.abort()

    # Inside

    async def _handle_client(self) -> None:
        try:
            if await self._opened():
                await self.converse()
        except Exception as error:
            # A bug, in here or in a part that was called: it may cost this connection, not the
            # others and not the server. No reply is lost that promised anything.
            self.service.emit(Event.FAILED, client=self.client, error=repr(error))
            self.hang_up(INTERNAL_ERROR, "internal error")
        self.finish("")
        self._conversing = False
        if self.transport is None:
            self._open_connections.discard(self)

    async def _opened(self) -> bool:
        """What comes before the greeting; False if the connection is over."""
        balancers, service = self.listener.balancers, self.service
        if balancers is not None and not await self._introduced(balancers):
            return False
        if not self.listener.implicit:
            return True
        context = service.tls_context()
        if context is None:
            reason = "this node has no certificate"
            service.emit(Event.CONNECTION_REFUSED, client=self.client, reason=reason)
            return False
        return await self.start_tls(context)

    def _decrypt(self, tls: Tls, data: bytes) -> None:
        try:
            text = tls.feed(data)
        except TlsFailed as error:
            self.service.emit(Event.TLS_FAILED, client=self.client, reason=str(error))
            self.finish("TLS failed")  # with the alert that says why
            self._shake()
            return
        output = tls.output()
        if output and self.transport is not None:
            self.transport.write(output)
        if tls.established:
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

    def _admit(self, client: str) -> Reply | None:
        """Count the client in; or why it can't be served."""
        # A balancer's checks come often: they would use up the rate of its address.
        refusal = None if self.is_check else self.service.guard.connection(client)
        refusal = refusal or self.service.admit(client)
        if refusal is None:
            self.client = client
        else:
            self.service.emit(Event.CONNECTION_REFUSED, client=client, reason=refusal.text)
        return refusal

    def _turned_away(self, balancers: Balancers, address: str) -> str:
        """Why a balancer is not listened to, "" if it is. No client is known, so none counted."""
        if not balancers.trust(address):
            return "not a balancer's address"
        if len(self._open_connections) >= _CROWD * self.service.limits.connections:
            return "too many connections"
        return ""

    async def _introduced(self, balancers: Balancers) -> bool:
        """Hear from the balancer who the client is; False if the connection is over."""
        self._arm(balancers.timeout)  # for all of it: bytes that dribble in don't move it
        try:
            header = await self._header()
        except BadHeader as error:
            self.service.emit(Event.CONNECTION_REFUSED, client=self._balancer, reason=str(error))
            header = None
        if header is None:
            self.abort()  # without a word: whoever this is, it is no SMTP client
            return False
        self._disarm()
        self._introducing = False
        self.is_check = header.client is None
        refusal = self._admit(header.client or self._balancer)
        if refusal is not None:
            self.hang_up(refusal, refusal.text)
        return refusal is None

    async def _header(self) -> Header | None:
        """The PROXY header, None if the connection ends before its end; raises BadHeader."""
        received = bytearray()
        while True:
            received += self.inbox.take(_WRITE_AHEAD)
            header = read_header(received)
            if header is not None:
                self.inbox.put_back(bytes(received[header.size :]))
                return header
            if not await self.inbox.more():
                return None

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
            self.service.emit(Event.TLS_FAILED, client=self.client, reason="timeout")
            self.abort()
        elif self.closing or self._introducing:
            self.abort()
        else:
            self.hang_up(TIMED_OUT, "timeout")
