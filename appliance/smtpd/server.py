"""The SMTP server: listeners, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence

from appliance.config.limits import Limits
from appliance.config.units import Endpoint
from appliance.mail.views import ReceptionView
from appliance.smtpd.accounts import Accounts
from appliance.smtpd.connection import Connection
from appliance.smtpd.events import Emit, Event
from appliance.smtpd.guard import Guard
from appliance.smtpd.intake import Intake
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.policy import Policy
from appliance.smtpd.service import Service
from appliance.smtpd.session import Session

_BACKLOG = 1024
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, in6.h; the socket module names neither


class SmtpServer:
    """Serves SMTP on `listen` until stopped, in the running event loop.

    `hostname` is the node's name in greeting and Received fields; `clock` tells milliseconds
    since 1970; `tls_context` says what TLS that begins now is made of, `accounts` who may
    log in, `guard` what is restricted.
    """

    def __init__(
        self,
        listen: Mapping[Endpoint, Listener],
        *,
        hostname: str,
        limits: Limits,
        policy: Policy,
        intake: Intake,
        emit: Emit,
        clock: Callable[[], int],
        tls_context: Callable[[], ssl.SSLContext | None] = lambda: None,
        accounts: Accounts | None = None,
        guard: Guard | None = None,
        nodes: frozenset[str] = frozenset(),
    ) -> None:
        self.addresses: tuple[tuple[str, int], ...] = ()
        """Host and port of each listener once started, in their order."""
        self._listen = listen
        self._emit = emit
        self._service = Service(
            hostname, limits, policy, intake, emit, clock, tls_context, accounts, guard, nodes
        )
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._moving: dict[Endpoint, asyncio.Server] = {}

    def configure(self, limits: Limits, policy: Policy) -> None:
        """Limits from the next client on, the policy from the next recipient on."""
        self._service.configure(limits, policy)

    @property
    def connections(self) -> int:
        """How many clients are served now."""
        return len(self._connections)

    @property
    def reception(self) -> ReceptionView:
        """What was counted about connections so far."""
        return self._service.traffic.view()

    @property
    def rejected(self) -> int:
        """Commands and messages that were answered with 4yz or 5yz so far."""
        return self._service.rejected

    async def start(self) -> None:
        """Listen; raises OSError, and then listens nowhere."""
        try:
            for endpoint, listener in self._listen.items():
                await self._start_listener(endpoint, listener)
        except OSError:
            self._close_listeners()
            raise

    async def _start_listener(self, endpoint: Endpoint, listener: Listener) -> None:
        server = await asyncio.get_running_loop().create_server(
            self._sessions(listener), endpoint.host, endpoint.port, backlog=_BACKLOG
        )
        self._servers.append(server)
        self._give_door(server, listener)
        for listening in server.sockets:
            host, port = listening.getsockname()[:2]
            self.addresses += ((host, port),)
            self._emit(Event.LISTENING, address=host, port=port)

    async def listen_at(self, endpoint: Endpoint, listener: Listener = RELAY) -> None:
        """Listen at a virtual address, too, whether this machine has it now or not.

        Raises OSError; nothing happens if it listens there already.
        """
        if endpoint in self._moving:
            return
        listening = _bound_anyway(endpoint)
        try:
            server = await asyncio.get_running_loop().create_server(
                self._sessions(listener), sock=listening, backlog=_BACKLOG
            )
        except OSError:
            listening.close()
            raise
        self._moving[endpoint] = server
        self._give_door(server, listener)
        self._emit(Event.LISTENING, address=endpoint.host, port=endpoint.port)

    def leave(self, endpoint: Endpoint) -> None:
        """Listen at a virtual address no more; its clients go as if the server stopped."""
        server = self._moving.pop(endpoint, None)
        if server is None:
            return
        server.close()
        self.see_off(str(endpoint.address))
        self._emit(Event.LEFT, address=endpoint.host, port=endpoint.port)

    def see_off(self, host: str) -> None:
        """Clients of this address of ours go as if the server stopped."""
        for connection in self._at(host):
            connection.drain()

    def cut_off(self, host: str) -> None:
        """Drop those of an address that is not ours any more: nothing reaches them from there."""
        for connection in self._at(host):
            connection.abort()

    def _at(self, host: str) -> Sequence[Connection]:
        return [one for one in self._connections if one.local_host == host]

    def _sessions(self, listener: Listener) -> Callable[[], Session]:
        loop = asyncio.get_running_loop()
        return lambda: Session(self._service, self._connections, loop, listener)

    def _give_door(self, server: asyncio.Server, listener: Listener) -> None:
        if listener.submission and listener.balancers is None:
            self._service.door.add(server)

    def _close_listeners(self) -> None:
        for server in (*self._servers, *self._moving.values()):
            server.close()
        self._servers.clear()
        self._moving.clear()

    async def stop(self, grace: float) -> None:
        """Take no new clients, send idle ones away, let messages under way finish.

        After `grace` seconds the others are cut off. Commits are waited for however long they
        take: on return the intake has no call from here left.
        """
        self._close_listeners()
        self._service.draining = True
        self._service.door.close()
        for connection in tuple(self._connections):
            connection.drain()
        conversations = {connection.conversation for connection in self._connections}
        late: set[asyncio.Task[None]] = set()
        if conversations:
            _, late = await asyncio.wait(conversations, timeout=grace)
        for connection in tuple(self._connections):
            connection.abort()
        if late:
            await asyncio.wait(late)
        self._emit(Event.STOPPED, cut_off=len(late))


def _bound_anyway(endpoint: Endpoint) -> socket.socket:
    """A socket bound to an address that need not be there (ip(7), IP_FREEBIND)."""
    version_6 = ":" in endpoint.host
    family = socket.AF_INET6 if version_6 else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version_6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            listening.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listening.setblocking(False)
        listening.bind((endpoint.host, endpoint.port))
    except OSError:
        listening.close()
        raise
    return listening
