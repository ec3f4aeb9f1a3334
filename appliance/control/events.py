"""Events over the control API: pages, what comes next, and what the other node fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json
from appliance.control.roles import Role
from appliance.control.schema import PAGE_LIMIT
from appliance.monitor.events import Event
from appliance.monitor.log.store import Feed
from appliance.monitor.log.told import EventNews, EventPage, Wanted
from appliance.monitor.severity import Severity

P = ParamSpec("P")
T = TypeVar("T")
FEED_LIMIT = 1000
"""Events that one node gives the other in one answer."""
_DEFAULT_PAGE = 100
_LONGEST_WAIT = 30
_NAMES = 32


class EventReader(Protocol):
    """Reads the events, for one thread at a time. Raises `Unavailable`, LookupError."""

    def page(self, wanted: Wanted, limit: int, older: str = "", newer: str = "") -> EventPage:
        """At most `limit` events behind the place `older`, or before the place `newer`."""

    def news(self, wanted: Wanted, end: str, limit: int) -> EventNews:
        """What came after the place `end`, oldest first."""

    def feed(self, store: str, after: int, limit: int) -> Feed:
        """What this node has of a source, for the other node to keep."""


class Events:
    """The events for the loop: questions are answered in a thread of their own."""

    def __init__(self, reader: EventReader) -> None:
        self.reader = reader
        self._thread = ThreadPoolExecutor(1, "events-reader")
        self._news = asyncio.Event()

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the reader; raises what that raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))

    def stored(self) -> None:
        """Something new is there: whoever waits for it looks."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, wanted: Wanted, end: str, limit: int, wait: float) -> EventNews:
        """What came after `end`, if need be within `wait` seconds."""
        until = asyncio.get_running_loop().time() + wait
        while True:
            coming = self._news  # before looking: what comes meanwhile is not missed
            found = await self.ask(self.reader.news, wanted, end, limit)
            if found.events:
                return found
            end = found.end
            try:
                async with asyncio.timeout_at(until):
                    await coming.wait()
            except TimeoutError:
                return found

    def close(self) -> None:
        """Let the thread end, after what it is reading."""
        self._thread.shutdown(cancel_futures=True)


class EventsApi:
    """The handlers about events."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/events", self.page, Role.VIEWER)
        handlers.get("/events/news", self.news, Role.VIEWER)
        handlers.get("/events/feed", self.feed, Role.ADMINISTRATOR)

    async def page(self, request: web.Request) -> web.Response:
        query, reader = request.query, self._events.reader
        wanted = wanted_events(request)
        older, newer = query.get("older", ""), query.get("newer", "")
        limit = number(query, "limit", _DEFAULT_PAGE, PAGE_LIMIT)
        return as_json(await self._events.ask(reader.page, wanted, limit, older, newer))

    async def news(self, request: web.Request) -> web.Response:
        query = request.query
        wait = number(query, "wait", 0, _LONGEST_WAIT, least=0)
        limit = number(query, "limit", _DEFAULT_PAGE, PAGE_LIMIT)
        wanted = wanted_events(request)
        return as_json(await self._events.news(wanted, query.get("end", ""), limit, wait))

    async def feed(self, request: web.Request) -> web.Response:
        query, reader = request.query, self._events.reader
        after = number(query, "after", 0, 1 << 40, least=0)
        limit = number(query, "limit", FEED_LIMIT, FEED_LIMIT)
        return as_json(await self._events.ask(reader.feed, query.get("store", ""), after, limit))


def wanted_events(request: web.Request) -> Wanted:
    """The filter of a request; raises BadRequest."""
    query = request.query
    names = tuple(query.getall("event", []))
    unknown = [one for one in names if one not in set(Event)]
    if unknown or len(names) > _NAMES:
        known = ", ".join(Event)
        raise BadRequest(f"no event {', '.join(unknown)}" if unknown else "too many events", known)
    try:
        severity = Severity(query.get("severity", Severity.INFO))
    except ValueError as error:
        raise BadRequest(str(error), f"known: {', '.join(Severity)}") from None
    return Wanted(
        events=names,
        node=query.get("node", ""),
        process=query.get("process", ""),
        queue_id=query.get("id", ""),
        severity=severity,
        since=moment(query, "since"),
        until=moment(query, "until"),
        text=query.get("text", ""),
    )


def moment(query: Mapping[str, str], name: str) -> int | None:
    """Milliseconds since 1970, None if not given; raises BadRequest."""
    text = query.get(name)
    if not text:
        return None
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 15:
        raise BadRequest(f"{name} {text!r}", "milliseconds since 1970")
    return int(text)


def number(query: Mapping[str, str], name: str, default: int, most: int, least: int = 1) -> int:
    """A count; raises BadRequest."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not least <= int(text[:16]) <= most:
        raise BadRequest(f"{name} {text!r}", f"{least} to {most}")
    return int(text)
