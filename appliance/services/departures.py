"""Clients of a virtual address that leaves this node: they are told while they can be."""

from __future__ import annotations

from typing import Protocol

from appliance.ipc.failover import NOTHING_HELD, Standing


class Clients(Protocol):
    """Who is served here, at whatever address of this machine."""

    def see_off(self, host: str) -> None:
        """Send those away that just wait; the others may end what they do."""

    def cut_off(self, host: str) -> None:
        """Drop the connections of all that came to this address."""


class Departures:
    """Follows how this node stands.

    `cuts`: an address that is gone can be spoken from no more, so its clients are dropped: they
    would be waited for in vain. On loopback all addresses stay.
    """

    def __init__(self, clients: Clients, cuts: bool) -> None:
        self._clients = clients
        self._cuts = cuts
        self._before = NOTHING_HELD

    def became(self, standing: Standing) -> None:
        """To be called with each change."""
        before, self._before = self._before, standing
        for host in standing.leaving:
            if host not in before.leaving:
                self._clients.see_off(host)
        if self._cuts:
            for host in before.held:
                if host not in standing.held:
                    self._clients.cut_off(host)
