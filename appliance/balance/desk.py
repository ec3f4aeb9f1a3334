"""The balancer's end of `run/balance.sock`: tells how it is, and does what operators want."""

from __future__ import annotations

from collections.abc import Callable

from appliance.balance.balancer import Balancer
from appliance.balance.checker import Checker
from appliance.balance.shares import Shares
from appliance.config.balance import MOST_WEIGHT
from appliance.config.shares import Share
from appliance.ipc.balance import (
    BalanceView,
    Call,
    Said,
    ServerView,
    ShareCall,
    View,
    ViewCall,
)
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure
from appliance.pools.algorithms import Pool, Server


class Desk:
    """A handler of an IPC server."""

    def __init__(
        self,
        algorithm: str,
        own: str,
        pool: Pool,
        checker: Checker,
        balancer: Balancer,
        shares: Shares,
        clock: Callable[[], int],
    ) -> None:
        """`own`: the server that is this node; `clock`: milliseconds, the checker's."""
        self._algorithm = algorithm
        self._own = own
        self._pool = pool
        self._checker = checker
        self._balancer = balancer
        self._shares = shares
        self._clock = clock

    def connected(self, peer: Peer[Said, Call]) -> None:
        """Everybody who may open the socket may ask."""

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        """Nothing is kept for anybody."""

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        """Calls want an answer: nobody pushes."""

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        """Raises CallFailed: "not found" for an unknown server, or "refused"."""
        match message:
            case ViewCall():
                pass
            case ShareCall():
                self._share(message)
        return View(self.view())

    def view(self) -> BalanceView:
        """How the balancer is now."""
        balancer = self._balancer
        return BalanceView(
            algorithm=self._algorithm,
            listening=tuple(map(str, balancer.listening)),
            clients=balancer.clients,
            refused=balancer.refused,
            servers=tuple(map(self._server_view, self._pool.servers)),
        )

    def _server_view(self, server: Server) -> ServerView:
        known, now, name = self._checker.checked[server.name], self._clock(), server.name
        return ServerView(
            name=name,
            address=str(known.settings.address),
            own=name == self._own,
            state=_state(server),
            up=server.up,
            since=now - known.since,
            weight=server.weight,
            configured=self._shares.configured[name],
            backup=server.backup,
            limit=server.limit,
            connections=server.connections,
            served=self._balancer.served[name],
            missed=self._balancer.missed[name],
            check=known.settings.check,
            checked=None if known.at is None else now - known.at,
            error=known.health.error,
        )

    def _share(self, call: ShareCall) -> None:
        server = self._known(call.name)
        if call.weight is not None and not 1 <= call.weight <= MOST_WEIGHT:
            hint = "to give a server nothing more: twinpost balance drain"
            raise _refused(f"a weight is 1 to {MOST_WEIGHT}, not {call.weight}", hint)
        others = [one for one in self._pool.servers if one is not server and not one.draining]
        if call.draining and not others:
            hint = "take another one back first: twinpost balance resume"
            raise _refused(f"{call.name} is the last server that is not draining", hint)
        if not call.ask:
            self._shares.give(call.name, Share(call.weight, call.draining, call.by))

    def _known(self, name: str) -> Server:
        try:
            return self._pool[name]
        except KeyError:
            names = ", ".join(server.name for server in self._pool.servers)
            what = f"no server is named {name!r}: there are {names}"
            raise CallFailed(Failure("not found", what, permanent=True)) from None


def _state(server: Server) -> str:
    if server.draining:
        return "draining" if server.connections else "drained"
    return "up" if server.up else "down"


def _refused(what: str, hint: str) -> CallFailed:
    return CallFailed(Failure("refused", what, hint, permanent=True))
