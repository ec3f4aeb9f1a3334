"""One SMTP connection: who may come in, what comes before the greeting, how it is served."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import cast

from appliance.mail.reply import Reply
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.proxy import BadHeader, Balancers, Header, read_header
from appliance.smtpd.replies import INTERNAL_ERROR, SHUTTING_DOWN, TOO_MANY_LOGINS, encode
from appliance.smtpd.service import Service
from appliance.smtpd.stream import Stream

_CROWD = 2
"""So many times the clients that are served may be here and not yet introduced."""
_FIRST_WORDS = 64 << 10
"""Bytes in which a PROXY header is looked for."""


class Connection(Stream, ABC):
    """A client, from its connection to its end.

    One task serves one connection, and nobody ever cancels it: the end of the connection, a
    timeout or a shutdown reaches it as the end of its input. So a commit under way can't be
    cancelled by a client that closes, half-closes or resets; its outcome is always known.
    """

    conversation: asyncio.Task[None]

    def __init__(
        self,
        service: Service,
        open_connections: set[Connection],
        loop: asyncio.AbstractEventLoop,
        listener: Listener = RELAY,
    ) -> None:
        super().__init__(service, loop)
        self.listener = listener
        self.is_check = False
        """A balancer looks whether this server is there: nobody's client, with nobody's rights."""
        self._open_connections = open_connections
        self._conversing = True
        self._balancer = ""
        self._introducing = listener.balancers is not None

    @abstractmethod
    async def converse(self) -> None:
        """Serve the client until one side wants no more."""

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
                self.service.traffic.refused += 1
                self.service.emit(Event.CONNECTION_REFUSED, client=client, reason=reason)
                transport.abort()
                return
            self._balancer = client
        self.transport = transport
        asyncio.StreamReaderProtocol.connection_made(self, transport)
        self._open_connections.add(self)
        self.conversation = self.loop.create_task(self._handle_client())

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
            service.traffic.refused += 1
            service.emit(Event.CONNECTION_REFUSED, client=self.client, reason=reason)
            return False
        return await self.start_tls(context)

    def _locked_out(self, client: str) -> Reply | None:
        """Why there is nothing that the client could do here.

        Before the handshake, which would cost more than all the rest.
        """
        accounts = self.service.accounts
        if not self.listener.submission or accounts is None:
            return None
        seconds = accounts.locked_out(client)
        if not seconds:
            return None
        if self.listener.balancers is None:  # else it is the balancer that comes
            self.service.door.shut(client, seconds)
        return TOO_MANY_LOGINS

    def _admit(self, client: str) -> Reply | None:
        """Count the client in; or why it can't be served."""
        # Checks and probes come often: they would use up the rate of its address.
        known = self.is_check or client in self.service.nodes
        refusal = self._locked_out(client)
        if refusal is None and not known:
            refusal = self.service.guard.connection(client)
        refusal = refusal or self.service.admit(client)
        if refusal is None:
            self.client = client
            self.service.traffic.admitted += not known
        else:
            self.service.traffic.refused += 1
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
            self.service.traffic.refused += 1
            self.service.emit(Event.CONNECTION_REFUSED, client=self._balancer, reason=str(error))
            header = None
        if header is None:
            self.abort()  # without a word: whoever this is, it is no SMTP client
            return False
        self._disarm()
        self._introducing = False
        self.is_check = header.client is None
        refusal = self._admit(header.client or self._balancer)
        if refusal is not None and self.listener.implicit:
            self.abort()  # nothing that is said would be understood
        elif refusal is not None:
            self.hang_up(refusal, refusal.text)
        return refusal is None

    async def _header(self) -> Header | None:
        """The PROXY header, None if the connection ends before its end; raises BadHeader."""
        received = bytearray()
        while True:
            received += self.inbox.take(_FIRST_WORDS)
            header = read_header(received)
            if header is not None:
                self.inbox.put_back(bytes(received[header.size :]))
                return header
            if not await self.inbox.more():
                return None
