"""The balancer: takes clients, finds each a server, and joins the two."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from appliance.balance.dial import dial
from appliance.balance.listen import listening_socket
from appliance.balance.proxy import header
from appliance.balance.splice import Splice
from appliance.config.balance import BalanceSettings
from appliance.config.units import Endpoint
from appliance.monitor.events import Emit, Event
from appliance.pools.algorithms import Pool, Server

_CLOSE_GRACE = 10.0
"""Seconds in which the rest of an ended connection has to be taken."""
_LOOK_EVERY = 1.0
IDLE = 1.0
"""Seconds: longer than a server usually takes for a reply."""
_MUTE = "it took the connection, but said nothing"
_OURS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE}
)
"""Errors that say something of this machine, nothing of the server."""


class Balancer:
    """Clients of its listeners are spread over the servers of `pool`.

    `failed` is told of servers that could not be connected to. Connections are made from the
    address `source`.
    """

    def __init__(
        self,
        settings: BalanceSettings,
        pool: Pool,
        source: str,
        emit: Emit,
        failed: Callable[[str, str], None],
    ) -> None:
        self.served: Counter[str] = Counter()
        """Clients each server was given, by its name."""
        self.missed: Counter[str] = Counter()
        """Clients that could not be connected to a server, and were offered to the next."""
        self.refused = 0
        """Clients that no server could take."""
        self._settings = settings
        self._pool = pool
        self._source = source
        self._emit = emit
        self._failed = failed
        self._listeners: dict[Endpoint, asyncio.Server] = {}
        self._splices: dict[Splice, Server | None] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def clients(self) -> int:
        """How many there are now."""
        return len(self._splices)

    @property
    def listening(self) -> Mapping[Endpoint, tuple[str, int]]:
        """Where clients are taken: what was asked for, and host and port as bound."""
        return {
            wanted: server.sockets[0].getsockname()[:2]
            for wanted, server in self._listeners.items()
        }

    async def listen(self, endpoint: Endpoint, freebind: bool = False) -> None:
        """Take clients there; `freebind`: even while this machine lacks it; raises OSError."""
        loop = asyncio.get_running_loop()
        sock = listening_socket(endpoint, freebind)
        to = self._settings.addresses(endpoint)
        self._listeners[endpoint] = await loop.create_server(
            lambda: Splice(loop.time, to, self._accepted, self._forsaken, self._ended).client,
            sock=sock,
        )
        host, port = sock.getsockname()[:2]
        self._emit(Event.BALANCE_LISTENING, address=host, port=port)

    def unlisten(self, endpoint: Endpoint) -> None:
        """Take no more clients there; those that are here may finish."""
        self._listeners.pop(endpoint).close()
        self._emit(Event.BALANCE_CLOSED, address=endpoint.host, port=endpoint.port)

    def see_off(self, host: str) -> None:
        """End the connections to this address of ours on which nothing moves."""
        now = asyncio.get_running_loop().time()
        for splice in self._at(host):
            if now - splice.moved > IDLE:
                splice.close()

    def cut_off(self, host: str) -> None:
        """Drop those of an address that is not ours any more: nothing reaches them from there."""
        for splice in self._at(host):
            splice.abort()

    def _at(self, host: str) -> Sequence[Splice]:
        return [splice for splice in self._splices if _reached(splice) == host]

    async def watch(self) -> None:
        """End connections on which nothing moves; runs until cancelled."""
        idle = self._settings.idle_timeout.seconds
        greeting = self._settings.greeting_timeout.seconds
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_LOOK_EVERY, idle / 4, greeting / 4))
            now = loop.time()
            for splice in tuple(self._splices):
                still = now - splice.moved
                if still > idle or (splice.closing and still > _CLOSE_GRACE):
                    splice.abort()
                elif still > greeting:
                    splice.give_up_mute_server()

    async def idle(self) -> None:
        """Return when no client is left."""
        await self._empty.wait()

    async def stop(self, grace: float) -> None:
        """Take no new clients; those that are here have `grace` seconds to finish."""
        for endpoint in tuple(self._listeners):
            self.unlisten(endpoint)
        try:
            async with asyncio.timeout(grace):
                await self.idle()
        except TimeoutError:
            self._emit(Event.BALANCE_CUT_OFF, connections=len(self._splices))
        for splice in tuple(self._splices):
            splice.abort()
        if self._connecting:
            await asyncio.wait(self._connecting)  # each ends within connect_timeout
        await self.idle()

    def _accepted(self, splice: Splice) -> None:
        self._splices[splice] = None
        self._empty.clear()
        self._begin_to_find(splice)

    def _forsaken(self, splice: Splice) -> None:
        """Its server took the connection and then had no word for it, as one that dies."""
        server = self._splices[splice]
        assert server is not None
        self._splices[splice] = None
        self.served[server.name] -= 1
        self._miss(splice, server, _MUTE)
        self._failed(server.name, _MUTE)
        self._begin_to_find(splice)

    def _ended(self, splice: Splice) -> None:
        server = self._splices.pop(splice)
        if server is not None:
            self._pool.give_back(server)
        if not self._splices:
            self._empty.set()

    def _begin_to_find(self, splice: Splice) -> None:
        task = asyncio.get_running_loop().create_task(self._find_server(splice))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _find_server(self, splice: Splice) -> None:
        """Offer the client to one server after the other."""
        while not splice.closing:
            server = self._pool.take(splice.tried)
            if server is None:
                self._refuse(splice)
            elif await self._join(splice, server):
                return

    def _refuse(self, splice: Splice) -> None:
        self.refused += 1
        self._emit(Event.BALANCE_REFUSED, client=_client(splice), hint="see twinpost balance")
        splice.close()

    async def _join(self, splice: Splice, server: Server) -> bool:
        """Whether the client has got that server."""
        try:
            sock = await self._dial(splice.to[server.name])
        except OSError as error:  # TimeoutError, too
            self._miss(splice, server, str(error))
            if error.errno not in _OURS:
                self._failed(server.name, str(error))
            return False
        if splice.closing:  # the client has left meanwhile
            sock.close()
            self._pool.give_back(server)
            return True
        self._splices[splice] = server
        self.served[server.name] += 1
        splice.header = _header(splice)
        await asyncio.get_running_loop().create_connection(lambda: splice.server, sock=sock)
        return True

    def _miss(self, splice: Splice, server: Server, error: str) -> None:
        """The client was offered to `server` in vain."""
        self._pool.give_back(server)
        splice.tried.add(server.name)
        self.missed[server.name] += 1
        self._emit(Event.BALANCE_MISSED, server=server.name, error=error)

    async def _dial(self, address: Endpoint) -> socket.socket:
        timeout = self._settings.connect_timeout
        try:
            async with asyncio.timeout(timeout.seconds):
                return await dial(address, self._source)
        except TimeoutError:
            raise TimeoutError(f"no connection within {timeout}") from None


def _header(splice: Splice) -> bytes:
    transport = splice.client.transport
    assert transport is not None
    client, reached = (transport.get_extra_info(name) for name in ("peername", "sockname"))
    return header(client[:2], reached[:2])


def _client(splice: Splice) -> str:
    return _host(splice, "peername")


def _reached(splice: Splice) -> str:
    """The address of this machine to which the client connected."""
    return _host(splice, "sockname")


def _host(splice: Splice, end: str) -> str:
    """ "" if the client is gone."""
    transport = splice.client.transport
    name = transport.get_extra_info(end) if transport is not None else None
    return str(name[0]) if name else ""
