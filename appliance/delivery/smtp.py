"""SMTP client sessions: connect, greeting and EHLO by aiosmtplib, then our own transactions."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

import aiosmtplib

from appliance.config.delivery import DeliverySettings
from appliance.delivery.content import Content
from appliance.delivery.exchangers import Exchangers
from appliance.delivery.extensions import Peer, plan, verification
from appliance.delivery.replies import MAX_TEXT
from appliance.delivery.resolve import Resolver
from appliance.delivery.secure import Failures, Handshakes, NotSecure, Trust, secure
from appliance.delivery.transaction import Transaction
from appliance.delivery.wire import ABORTED, Wire
from appliance.mail.disposition import Stage, Trouble, judge, unreachable
from appliance.mail.mx import Place
from appliance.mail.reply import Refused, Reply
from appliance.mail.route import NextHop, Tls
from appliance.mail.visible import visible
from appliance.mail.work import Lease, LeasedRecipient


class ConnectFailed(Exception):
    """No session with this next hop now; `reply` says why: 5yz if there never can be one."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Session:
    """A connection past EHLO. `remote` is "host[address]:port", `tls` "TLSv1.3", "" if plain."""

    def __init__(
        self, wire: Wire, peer: Peer, remote: str, settings: DeliverySettings, tls: str = ""
    ) -> None:
        self.peer = peer
        self.remote = remote
        self.tls = tls
        self.transactions = 0
        self._wire = wire
        self._settings = settings

    @property
    def usable(self) -> bool:
        """Whether another message can be sent."""
        return self._wire.usable

    async def send(
        self,
        lease: Lease,
        recipients: Sequence[LeasedRecipient],
        content: Content,
        fence: Callable[[], bool],
    ) -> Transaction:
        """The transaction, after it has run. Raises DamagedContent, LookupError."""
        steps = plan(self.peer, lease.envelope, recipients, content, lease.size)
        transaction = Transaction(self._wire, self.peer, steps, content, self._settings, fence)
        self.transactions += 1
        await transaction.run()
        return transaction

    async def verify(self, address: str) -> Sequence[Reply]:
        """What the next hop says to MAIL FROM:<>, and to `address` after a yes; raises Lost."""
        replies: list[Reply] = []
        for command in verification(self.peer, address):
            if not replies or replies[-1].positive:
                self._wire.write(command, 1)
                replies.append(await self._wire.reply(self._settings.command_timeout.seconds))
        return replies

    def abort(self) -> None:
        """End it at once; a running transaction that has not written its final dot writes none."""
        self._wire.abort(ABORTED)

    def quit(self) -> None:
        """End it politely (RFC 5321 §4.1.1.10)."""
        self._wire.quit()


class Connector:
    """Opens sessions. `helo` is the name this node goes by (§4.1.4); `clock` counts seconds."""

    def __init__(
        self,
        helo: str,
        settings: DeliverySettings,
        resolver: Resolver,
        exchangers: Exchangers,
        trust: Trust,
        clock: Callable[[], float],
    ) -> None:
        self._helo = helo
        self._settings = settings
        self._resolver = resolver
        self._exchangers = exchangers
        self._trust = trust
        self._failures = Failures(clock)
        self.handshakes = Handshakes()

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings, from the next connection on."""
        self._settings = settings

    async def connect(self, hops: Sequence[NextHop]) -> Session:
        """A session with the first of `hops` that takes one; raises ConnectFailed."""
        failure = ConnectFailed(unreachable(Trouble.NAME_UNKNOWN, "there is no next hop"))
        for hop in hops:
            addresses = self._resolver.addresses(hop.host)
            if not addresses:
                text = f"{hop.host} is no IP address and not in the hosts file"
                failure = ConnectFailed(unreachable(Trouble.NAME_UNKNOWN, text))
                continue
            try:
                places = [Place(hop.host, a, hop.port) for a in addresses]
                return await self._first(places, hop.tls)
            except ConnectFailed as failed:
                failure = failed
        raise failure

    async def exchange(self, address: str, tls: Tls) -> Session:
        """A session with a host that DNS names for the domain of `address`.

        Raises ConnectFailed, with a 5yz if DNS is certain that no host takes its mail.
        """
        try:
            places = await self._exchangers.places(address)
        except Refused as refused:
            raise ConnectFailed(refused.reply) from refused
        return await self._first(places, tls)

    async def _first(self, places: Sequence[Place], tls: Tls) -> Session:
        """A session at the first of `places` (at least one) that takes one."""
        for place in places[:-1]:
            with suppress(ConnectFailed):
                return await self._session(place, tls)
        return await self._session(places[-1], tls)

    async def _session(self, place: Place, tls: Tls) -> Session:
        try:
            return await self._open(place, tls)
        except NotSecure as failed:
            self.handshakes.failed += failed.handshake
            long = failed.handshake and self._failures.failed(place)
            if tls.required or not long:
                raise ConnectFailed(failed.reply) from failed
        return await self._open(place, Tls("none"))

    async def _open(self, place: Place, tls: Tls) -> Session:
        """Raises ConnectFailed, NotSecure."""
        remote = f"{place.host}[{place.address}]:{place.port}"
        try:
            client = await self._greeted(place.address, place.port)
            try:
                secured = await secure(client, place, remote, tls, self._trust)
            except BaseException:
                client.close()
                raise
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ConnectFailed(_failure(remote, error)) from error
        transport = cast(asyncio.Transport, client.transport)
        version = ""
        if secured:
            self._failures.succeeded(place)
            version = transport.get_extra_info("ssl_object").version()
            self.handshakes.done[version] += 1
        peer = Peer.offering(client.esmtp_extensions)
        # From here on replies go to our own protocol: aiosmtplib's drops those it has not asked
        # for, and with pipelining several are on their way.
        wire = Wire(asyncio.get_running_loop(), transport)
        return Session(wire, peer, remote, self._settings, version)

    async def _greeted(self, address: str, port: int) -> aiosmtplib.SMTP:
        """A client past EHLO or, where that is not known, HELO (§3.2, §4.1.1.1)."""
        client = aiosmtplib.SMTP(
            local_hostname=self._helo,
            sock=await self._connected(address, port),
            timeout=self._settings.command_timeout.seconds,
            start_tls=False,
        )
        await client.connect()
        try:
            try:
                await client.ehlo()
            except aiosmtplib.SMTPHeloError as refused:
                if refused.code < 500 or not client.is_connected:
                    raise
                await client.helo()
        except BaseException:
            client.close()
            raise
        return client

    async def _connected(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(self._settings.connect_timeout.seconds):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock


def _failure(remote: str, error: Exception) -> Reply:
    """Nothing said before MAIL is about a message: always transient, whatever the code."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 600:
        said = Reply(error.code, "", visible(f"{remote} said: {error.message}", MAX_TEXT))
        return judge(said, Stage.SESSION).reply
    if isinstance(error, TimeoutError | aiosmtplib.SMTPTimeoutError):
        return unreachable(Trouble.NO_ANSWER, f"{remote} did not answer in time")
    if isinstance(error, OSError) and error.errno:
        return unreachable(Trouble.NO_ANSWER, f"{remote}: {os.strerror(error.errno)}")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = visible(f"{remote}: no SMTP server answers there: {error.message}", MAX_TEXT)
        return unreachable(Trouble.PROTOCOL, text)
    return unreachable(Trouble.CONNECTION_LOST, f"{remote} closed the connection at once")
