"""Figures of this node over time: taken every ten seconds, kept for 90 days, told over the API."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json
from appliance.control.roles import Role
from appliance.control.schema_history import (
    CurveView,
    HistoryView,
    SeriesList,
    SeriesView,
)
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event
from appliance.monitor.history import HistoryFile, Told
from appliance.monitor.ring import DAY, HOUR, LEVELS, LONGEST, MINUTE, Moment
from appliance.monitor.series import SERIES, Rates
from appliance.monitor.snapshot import Snapshot

T = TypeVar("T")
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_DEFAULT_POINTS, _MOST_POINTS, _MOST_CURVES = 200, 2000, 100
_KNOWN = {series.name: series for series in SERIES}


class Observes(Protocol):
    """Who looks at the node."""

    async def snapshot(self) -> Snapshot:
        """How it is now."""


class History:
    """The history's file, used by a thread of its own; `clock` says the moment."""

    def __init__(self, path: Path, clock: Callable[[], Moment], emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._file = HistoryFile(path, lambda why: emit(Event.MONITOR_FILE_DAMAGED, error=why))
        self._thread = ThreadPoolExecutor(1, "history")
        self._failing = False

    async def add(self, figures: Mapping[str, float]) -> int:
        """Keep figures of now if that is possible; the place they got, 0 if they did not."""
        try:
            at = await self._do(lambda: self._file.add(self._clock(), figures))
        except (sqlite3.Error, OSError) as error:  # a full disk costs figures, nothing else
            if not self._failing:
                self._emit(Event.HISTORY_FAILED, error=str(error))
            self._failing = True
            return 0
        if self._failing:
            self._emit(Event.HISTORY_WORKS)
        self._failing = False
        return at

    async def read(self, names: Sequence[str], span: int, points: int) -> Told:
        """The last `span` milliseconds; raises Unavailable."""
        return await self._read(lambda: self._file.read(names, self._clock(), span, points))

    async def mean(self, name: str, span: int) -> tuple[float, int] | None:
        """See `HistoryFile.mean`; raises Unavailable."""
        return await self._read(lambda: self._file.mean(name, self._clock(), span))

    def close(self) -> None:
        """Close the file after what is under way."""
        self._thread.submit(self._file.close)
        self._thread.shutdown()

    async def _read(self, call: Callable[[], T]) -> T:
        try:
            return await self._do(call)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the history cannot be read: {error}") from error

    async def _do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


class Sampler:
    """Takes a sample in the middle of each slot of the history. `clock` counts seconds."""

    def __init__(
        self, observer: Observes, history: History, clock: Callable[[], float], emit: Emit
    ) -> None:
        self._observer = observer
        self._history = history
        self._clock = clock
        self._emit = emit
        self._rates = Rates()

    async def run(self) -> None:
        """Sample until cancelled."""
        step = LEVELS[0].step
        while True:
            try:
                at = await self._sample()
            except Exception as error:  # whatever it is costs a sample: nobody else will notice
                self._emit(Event.FAILED, error=repr(error))
                at = 0
            # Not at a slot's edge, where a late sample would fall into the next one.
            await asyncio.sleep((step + step // 2 - at % step) / 1000 if at else step / 1000)

    async def _sample(self) -> int:
        seen = await self._observer.snapshot()
        return await self._history.add(self._rates.figures(seen, self._clock()))


class HistoryApi:
    """The handlers about figures. `name` is this node's."""

    def __init__(self, name: str, history: History) -> None:
        self._name = name
        self._history = history

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/history", self.history, Role.VIEWER)
        handlers.get("/history/metrics", self.series, Role.VIEWER)

    async def series(self, request: web.Request) -> web.Response:
        return as_json(
            SeriesList(
                tuple(SeriesView(metric=one.name, unit=one.unit, title=one.title) for one in SERIES)
            )
        )

    async def history(self, request: web.Request) -> web.Response:
        query = request.query
        names = list(dict.fromkeys(query.getall("metric", [])))
        unknown = [name for name in names if name not in _KNOWN]
        if unknown or not 0 < len(names) <= _MOST_CURVES:
            what = f"no metric is called {unknown[0]!r}" if unknown else "which metric?"
            raise BadRequest(what, "`twinpost metrics list` shows what there is")
        span = _span(query.get("range", "1h"))
        points = _points(query.get("points", str(_DEFAULT_POINTS)))
        told = await self._history.read(names, span, points)
        return as_json(_told(self._name, told))


def _told(node: str, told: Told) -> HistoryView:
    curves = [
        CurveView(
            metric=name,
            unit=_KNOWN[name].unit,
            title=_KNOWN[name].title,
            least=curve.least,
            mean=curve.mean,
            greatest=curve.greatest,
        )
        for name, curve in told.curves.items()
    ]
    return HistoryView(
        node=node, start=told.start, step=told.width, points=told.points, curves=tuple(curves)
    )


def _span(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    span = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < span <= LONGEST:
        raise BadRequest(f"range {text!r}", "from 1m to 90d, for example 1h, 7d")
    return span


def _points(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= _MOST_POINTS:
        raise BadRequest(f"points {text!r}", f"1 to {_MOST_POINTS}")
    return int(text)
