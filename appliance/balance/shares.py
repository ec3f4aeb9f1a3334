"""Gives the servers what operators want them to have, here and wherever the address moves."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.config.balance import ServerSettings
from appliance.config.live import Table
from appliance.config.shares import Share, share
from appliance.monitor.events import Emit, Event
from appliance.pools.algorithms import Pool


class Shares:
    """To be told of the table of shares each time it changes.

    `own`: the server that is this node.
    """

    def __init__(self, servers: Sequence[ServerSettings], own: str, pool: Pool, emit: Emit) -> None:
        self.configured = {str(server.name): server.weight for server in servers}
        """Weights as node.toml has them."""
        self._own = own
        self._pool = pool
        self._emit = emit

    def heed(self, table: Table) -> None:
        """These are the shares from now on; what node.toml does not know is another's business."""
        wanted = {name: share(table.get(name)) for name in self.configured}
        if all(one.draining for one in wanted.values()):
            # Nobody can ask for that, but both halves of a split may have asked for one half.
            wanted[self._own] = Share(wanted[self._own].weight)
        for name, one in wanted.items():
            self.give(name, one)

    def give(self, name: str, wanted: Share) -> None:
        """Let a server have its share; raises KeyError."""
        server, weight = self._pool[name], wanted.weight or self.configured[name]
        if server.weight != weight:
            self._pool.weigh(name, weight)
            self._emit(Event.COMMAND, action="weigh", by=wanted.by, server=name, weight=weight)
        if server.draining is not wanted.draining:
            self._pool.drain(name, wanted.draining)
            action = "drain" if wanted.draining else "resume"
            self._emit(Event.COMMAND, action=action, by=wanted.by, server=name)
