"""The events of both nodes in the control process: who keeps, fetches and reads them."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.control.events import Events, EventsApi
from appliance.control.handlers import Handlers
from appliance.control.history import FailoverHistoryApi
from appliance.control.observer import Observer
from appliance.control.peer_events import Peer, PeerEvents
from appliance.control.track import TrackApi
from appliance.monitor.log.collector import Collector, Surroundings
from appliance.monitor.log.reader import Reader
from appliance.monitor.log.retention import Bounds
from appliance.monitor.log.store import Store
from appliance.services.clock import monotonic, wall
from appliance.services.process import Context

_DATABASE = "events.db"
_RESERVES = 2
"""With less free than so many times `disk_reserve`, events go before mail is refused."""


class KeptEvents:
    """This node's events, taken in from its logs, and the other node's, fetched from there."""

    def __init__(self, context: Context, observer: Observer, peer: Peer | None) -> None:
        layout, node = context.layout, context.node
        path = layout.monitor / _DATABASE
        reserve = _RESERVES * int(node.disk_reserve)
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(path, monotonic, lambda: self.collector.suspect())
        self.events = Events(self._reader)
        self.collector = Collector(
            Store(path, str(node.name), lambda: secrets.token_hex(8)),
            layout.log,
            Bounds(int(node.events.size), int(node.events.age)),
            Surroundings(monotonic, wall, lambda: _free(layout.monitor) < reserve),
            context.emit,
            self._stored,
        )
        self._peer = peer
        self._observer = observer

    def _stored(self) -> None:
        self._loop.call_soon_threadsafe(self.events.stored)

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        EventsApi(self.events).add_to(handlers)
        TrackApi(self.events, self._observer).add_to(handlers)
        FailoverHistoryApi(self.events, self.collector.catch_up).add_to(handlers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take events in for as long as this lasts."""
        self.collector.start()
        fetching = None
        if self._peer is not None:
            theirs = PeerEvents(
                self._peer, self.events, self.collector.take, self.collector.begin_anew
            )
            fetching = self._loop.create_task(theirs.run())
        try:
            yield
        finally:
            if fetching is not None:
                fetching.cancel()
                await asyncio.wait([fetching])
            await asyncio.to_thread(self.collector.close)
            self.events.close()
            self._reader.close()


def _free(path: Path) -> int:
    figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize
