"""Pauses of operators, as registers of both nodes have them, carried out by this one."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.config.live import Table
from appliance.config.pauses import pauses, read
from appliance.delivery.dispatch import Dispatcher
from appliance.monitor.events import Emit, Event


class Pauser:
    """To be told of the table of pauses each time it changes."""

    def __init__(self, dispatcher: Dispatcher, emit: Emit) -> None:
        self._dispatcher = dispatcher
        self._emit = emit
        self._known: Mapping[str, bytes] = {}

    def heed(self, table: Table) -> None:
        """These are the pauses from now on."""
        for what in sorted(table.keys() - self._known.keys()):
            pause = read(table[what])
            self._emit(Event.PAUSED, relay=what, by=pause.by, reason=pause.reason)
        for what in sorted(self._known.keys() - table.keys()):
            self._emit(Event.RESUMED, relay=what)
        self._known = dict(table)
        paused = pauses(table)
        self._dispatcher.pause(paused.domains, paused.hops)
