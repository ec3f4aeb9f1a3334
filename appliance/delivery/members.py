"""The next hops of a destination, made from its route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from appliance.config.delivery import DeliverySettings
from appliance.delivery.gate import Gates
from appliance.delivery.pool import Pool
from appliance.delivery.relays import Member, Relays
from appliance.delivery.smtp import Connector, Session
from appliance.mail.address import domain_key
from appliance.mail.route import Mx, NextHop, Route, Smtp
from appliance.mail.route import Pool as RoutePool
from appliance.pools.algorithms import (
    Algorithm,
    InOrder,
    LeastConnections,
    RoundRobin,
    Server,
    Weighted,
)
from appliance.pools.health import Health

Connect = Callable[[], Awaitable[Session]]


class Recruiter:
    """Makes `Relays`."""

    def __init__(self, connector: Connector, gates: Gates, settings: DeliverySettings) -> None:
        self._connector = connector
        self._gates = gates
        self._settings = settings

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings, for whatever is made from now on."""
        self._settings = settings

    def relays(self, route: Route, address: str) -> Relays:
        """Those of a route to a next hop, found for the recipient `address`."""
        transport = route.transport
        if isinstance(transport, Mx):
            connect = partial(self._connector.exchange, address, transport.tls)
            return Relays([self._member(Server(f"mx:{domain_key(address)}"), connect)], InOrder())
        assert isinstance(transport, Smtp)
        pool = transport.pool
        if pool is None:
            hops = [self._of(Server(str(hop)), hop) for hop in transport.next_hops]
            return Relays(hops, InOrder())
        members = []
        for one in pool.members:
            member = self._of(Server(str(one.hop), one.weight, one.backup), one.hop)
            member.health = Health(pool.rise, pool.fall)
            member.health.passed()  # on trial the first failure would be enough
            members.append(member)
        return Relays(members, algorithm(pool, [m.server for m in members]), pool.check / 1000)

    def _of(self, server: Server, hop: NextHop) -> Member:
        return self._member(server, partial(self._connector.connect, (hop,)))

    def _member(self, server: Server, connect: Connect) -> Member:
        gate = self._gates[server.name]
        messages = gate.settings.messages_per_connection
        pool = Pool(connect, self._settings.idle_timeout.seconds, messages)
        return Member(server, gate, pool)


def algorithm(pool: RoutePool, servers: Sequence[Server]) -> Algorithm:
    """The algorithm that a pool names."""
    match pool.algorithm:
        case "round-robin":
            return RoundRobin(servers)
        case "weighted":
            return Weighted()
        case "least-connections":
            return LeastConnections()
        case _:
            return InOrder()
