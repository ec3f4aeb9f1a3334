"""Which server gets the next client. Pure: no sockets, no clock, no random numbers.

The names and the arithmetic are those of nginx (ngx_http_upstream_round_robin,
ngx_http_upstream_least_conn).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(eq=False)
class Server:
    """One server as the algorithms see it; only `Pool` changes it.

    up: its checks say so. draining: an operator lets it run empty. connections: open now.
    """

    name: str
    weight: int = 1
    backup: bool = False
    limit: int = 1000
    up: bool = True
    draining: bool = False
    connections: int = 0

    @property
    def has_room(self) -> bool:
        """Whether it may be given a client, if it is there to take one."""
        return not self.draining and self.connections < self.limit


class Algorithm(Protocol):
    """Chooses among servers that can take a client."""

    def choose(self, servers: Sequence[Server]) -> Server:
        """One of `servers`, which are at least one, in the order of the settings."""

    def begin(self) -> None:
        """Servers, weights or states changed: what was dealt out before counts no more."""


class InOrder:
    """Always the first: the order of the settings is that of preference."""

    def choose(self, servers: Sequence[Server]) -> Server:
        """The first."""
        return servers[0]

    def begin(self) -> None:
        """Nothing was dealt out."""


class RoundRobin:
    """One after the other, whatever their weights."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._places = {server.name: place for place, server in enumerate(servers)}
        self._last = -1

    def choose(self, servers: Sequence[Server]) -> Server:
        """The next one in the circle behind the last."""
        behind = [server for server in servers if self._places[server.name] > self._last]
        chosen = behind[0] if behind else servers[0]
        self._last = self._places[chosen.name]
        return chosen

    def begin(self) -> None:
        """The circle goes on where it was."""


class Weighted:
    """Smooth weighted round robin: in each cycle every server as often as its weight says.

    Weights 5, 1, 1 give a a b a c a a, not a a a a a b c: no server gets all its clients at once.
    """

    def __init__(self) -> None:
        self._current: dict[str, int] = {}

    def choose(self, servers: Sequence[Server]) -> Server:
        """Everybody gains its weight; who is highest is chosen and pays for the round."""
        current = self._current
        for server in servers:
            current[server.name] = current.get(server.name, 0) + server.weight
        chosen = max(servers, key=lambda server: current[server.name])
        current[chosen.name] -= sum(server.weight for server in servers)
        return chosen

    def begin(self) -> None:
        """A new cycle: shares are exact again from here."""
        self._current.clear()


class LeastConnections:
    """Who has the fewest connections for its weight; in turn by weight among equals."""

    def __init__(self) -> None:
        self._equals = Weighted()

    def choose(self, servers: Sequence[Server]) -> Server:
        """Compares fractions by cross multiplication: exact, and weights are never 0."""
        least = servers[0]
        for server in servers:
            if server.connections * least.weight < least.connections * server.weight:
                least = server
        equals = [
            server
            for server in servers
            if server.connections * least.weight == least.connections * server.weight
        ]
        return self._equals.choose(equals)

    def begin(self) -> None:
        """A new cycle among equals."""
        self._equals.begin()


class Pool:
    """The servers, and who gets the next client.

    Backup servers get one when no other can take it. `own` is the server on this node: it is the
    last resort, whatever its checks say, because whoever can run this can try to serve.
    """

    def __init__(self, servers: Sequence[Server], algorithm: Algorithm, own: str) -> None:
        self.servers = tuple(servers)
        self._algorithm = algorithm
        self._named = {server.name: server for server in servers}
        self._own = self._named[own]

    def __getitem__(self, name: str) -> Server:
        """The server of that name; raises KeyError."""
        return self._named[name]

    def take(self, tried: Collection[str] = ()) -> Server | None:
        """A server for the next client, its connection counted; None: nobody can take it.

        Those `tried` for this client in vain are left out.
        """
        free = [one for one in self.servers if one.has_room and one.name not in tried]
        able = [one for one in free if one.up]
        able = [one for one in able if not one.backup] or able
        if able:
            chosen = self._algorithm.choose(able)
        elif self._own in free:
            chosen = self._own
        else:
            return None
        chosen.connections += 1
        return chosen

    def give_back(self, server: Server) -> None:
        """A connection that was counted has ended, or was never made."""
        server.connections -= 1

    def mark(self, name: str, up: bool) -> None:
        """What the checks say of a server; raises KeyError."""
        self[name].up = up
        self._algorithm.begin()

    def weigh(self, name: str, weight: int) -> None:
        """Give a server another weight, at least 1; raises KeyError."""
        self[name].weight = weight
        self._algorithm.begin()

    def drain(self, name: str, draining: bool) -> None:
        """Give a server nothing new, or clients again; raises KeyError."""
        self[name].draining = draining
        self._algorithm.begin()
