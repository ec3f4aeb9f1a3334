"""Every transition of the virtual routers of both nodes, from the events that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec
from aiohttp import web

from appliance.control.events import Events, number
from appliance.control.handlers import Handlers
from appliance.control.http import as_json
from appliance.control.roles import Role
from appliance.control.schema import PAGE_LIMIT, History, Transition
from appliance.monitor.events import Event
from appliance.monitor.log.told import Told, Wanted

_DEFAULT = 100
_PATIENCE = 2.0
"""Seconds that an answer waits for what this node's logs have and the events have not yet."""


class FailoverHistoryApi:
    """The handler about how the addresses moved."""

    def __init__(self, events: Events, catch_up: Callable[[], Future[None]]) -> None:
        """`catch_up` is done when what the logs had before it was called is among the events."""
        self._events = events
        self._catch_up = catch_up

    def add_to(self, handlers: Handlers) -> None:
        """Add the route."""
        handlers.get("/failover/history", self.history, Role.VIEWER)

    async def history(self, request: web.Request) -> web.Response:
        limit = number(request.query, "limit", _DEFAULT, PAGE_LIMIT)
        await asyncio.wait([asyncio.wrap_future(self._catch_up())], timeout=_PATIENCE)
        found, older = list[Transition](), ""
        while len(found) < limit:
            wanted = Wanted(events=(Event.TRANSITION,))
            page = await self._events.ask(self._events.reader.page, wanted, limit, older)
            found += _transitions(page.events)
            older = page.older
            if not older:
                break
        return as_json(History(tuple(found[:limit])))


def _transitions(events: tuple[Told, ...]) -> Iterator[Transition]:
    for one in events:
        try:
            yield msgspec.convert({**one.fields, "at": one.at, "node": one.node}, Transition)
        except msgspec.ValidationError:
            continue  # another release's, or somebody's who wrote into the log
