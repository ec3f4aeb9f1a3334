"""Watches a node: looks at it every few seconds, and keeps its alerts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from appliance.control.schema_alerts import (
    AcknowledgedView,
    AlertHistory,
    AlertView,
    EndedAlert,
)
from appliance.mail.views import Unavailable
from appliance.mail.visible import visible
from appliance.monitor.alerts.engine import (
    Acknowledgement,
    Alert,
    Change,
    Channel,
    Engine,
    Key,
    Phase,
    standing,
)
from appliance.monitor.alerts.notice import lasted
from appliance.monitor.alerts.store import AlertsFile, Ended
from appliance.monitor.alerts.table import QUIET, holding, look, severity
from appliance.monitor.events import Emit, Event
from appliance.monitor.ring import Mark, Moment, place
from appliance.monitor.snapshot import Snapshot

T = TypeVar("T")
_EVERY = 5.0
"""Seconds between two looks."""


class Observes(Protocol):
    """Who looks at the node."""

    async def snapshot(self) -> Snapshot:
        """How it is now."""


class Watch:
    """The alerts of this node. `load` before anything else; `run` keeps looking."""

    def __init__(
        self,
        observer: Observes,
        file: AlertsFile,
        channels: frozenset[Channel],
        clock: Callable[[], Moment],
        emit: Emit,
    ) -> None:
        self._observer = observer
        self._file = file
        self._channels = channels
        self._clock = clock
        self._emit = emit
        self._thread = ThreadPoolExecutor(1, "alerts")
        self._mark: Mark | None = None
        self._ended: list[Ended] = []
        self._written: object = ()
        self._failing = False
        self.engine = Engine(channels)
        self.changed = asyncio.Event()
        """Somebody is to be told of something."""

    async def load(self) -> None:
        """Take up what stood before this process began; without it everything begins anew."""
        try:
            self._mark, alerts = await self._do(self._file.read)
        except (sqlite3.Error, OSError) as error:
            self._emit(Event.HISTORY_FAILED, error=str(error))
            return
        self.engine = Engine(self._channels, alerts)
        self._written = self._memory()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # whatever it is: the next look may find out more
                self._emit(Event.FAILED, error=repr(error))
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Look once; what changed is written down before anybody is told of it."""
        seen = await self._observer.snapshot()
        now = self._now()
        for change in self.engine.step(now, self._clock().wall, look(seen)):
            self._note(change)
        await self.write()
        if any(alert.untold for alert in self.engine.alerts.values()):
            self.changed.set()

    async def write(self) -> None:
        """Write down what stands, if that is something else than is written."""
        memory = self._memory()
        if memory == self._written and not self._ended:
            return
        mark, alerts, ended = self._mark, list(self.engine.alerts.values()), self._ended
        if mark is None:
            return
        try:
            await self._do(lambda: self._file.write(mark, alerts, ended))
        except (sqlite3.Error, OSError) as error:  # a full disk: alerts live on in memory
            if not self._failing:
                self._emit(Event.HISTORY_FAILED, error=str(error))
            self._failing = True
            del ended[:-1000]
            return
        self._failing = False
        self._written, self._ended = memory, []

    def acknowledge(self, key: Key, by: str, why: str, lasts: int | None) -> AlertView:
        """Somebody knows; LookupError if there is no such alert."""
        now = self._now()
        until = None if lasts is None else now + lasts
        what = Acknowledgement(by, visible(why, 300), self._clock().wall, until)
        alert = self.engine.acknowledge(key, what)
        self._emit(Event.ALERT_ACKNOWLEDGED, name=key[0], subject=key[1], by=by, why=what.why)
        return self._view(alert, now)

    def views(self) -> tuple[AlertView, ...]:
        """What stands, the worst first."""
        now = self._now()
        return tuple(
            self._view(alert, now)
            for alert in standing(self.engine.alerts)
            if alert.up or alert.name not in QUIET
        )

    def holding(self, seen: Snapshot) -> tuple[AlertView, ...]:
        """What is not as it should be at this moment, the worst first."""
        now = self._now()
        return tuple(
            self._view(
                self.engine.alerts.get((rule.name, found.subject))
                or Alert(
                    name=rule.name,
                    subject=found.subject,
                    severity=severity(rule, found),
                    text=found.text,
                    hint=rule.hint if found.hint is None else found.hint,
                    phase=Phase.PENDING,
                    since=now,
                ),
                now,
                found.text,
            )
            for rule, found in holding(look(seen))
            if not rule.quiet or self._up((rule.name, found.subject))
        )

    async def ended(self, limit: int) -> AlertHistory:
        """The last ones that were cleared; raises Unavailable."""
        try:
            found = await self._do(lambda: self._file.ended(limit))
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the history of alerts cannot be read: {error}") from error
        return AlertHistory(tuple(map(_ended_view, found)))

    def close(self) -> None:
        """Close the file after what is under way."""
        self._thread.submit(self._file.close)
        self._thread.shutdown()

    def _now(self) -> int:
        moment = self._clock()
        at = place(self._mark, moment)
        self._mark = Mark(at, moment)
        return at

    def _up(self, key: Key) -> bool:
        alert = self.engine.alerts.get(key)
        return alert is not None and alert.up

    def _note(self, change: Change) -> None:
        alert = change.alert
        told = {"name": alert.name, "subject": alert.subject, "severity": alert.severity}
        if alert.phase is Phase.CLEARED:
            self._emit(Event.ALERT_CLEARED, **told, lasted=lasted(alert))
            self._ended.append(Ended(self._clock().wall, alert))
        else:
            self._emit(Event.ALERT_RAISED, **told, text=alert.text)

    def _memory(self) -> object:
        """What has to be known after a restart; texts may change without."""
        return {
            key: (one.phase, one.since, one.lull, one.untold, one.acknowledged)
            for key, one in self.engine.alerts.items()
        }

    def _view(self, alert: Alert, now: int, text: str | None = None) -> AlertView:
        known = alert.acknowledged
        return AlertView(
            name=alert.name,
            subject=alert.subject,
            severity=alert.severity,
            text=alert.text if text is None else text,
            hint=alert.hint,
            phase=alert.phase,
            held=max(0, now - alert.since),
            raised_at=alert.wall if alert.raised is not None else None,
            acknowledged=None
            if known is None
            else AcknowledgedView(
                by=known.by,
                why=known.why,
                at=known.at,
                left=None if known.until is None else max(0, known.until - now),
            ),
        )

    async def _do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _ended_view(one: Ended) -> EndedAlert:
    alert, known = one.alert, one.alert.acknowledged
    return EndedAlert(
        name=alert.name,
        subject=alert.subject,
        severity=alert.severity,
        text=alert.text,
        raised_at=alert.wall,
        cleared_at=one.wall,
        lasted=lasted(alert) or 0,
        acknowledged_by=known.by if known else "",
        acknowledged_why=known.why if known else "",
    )
