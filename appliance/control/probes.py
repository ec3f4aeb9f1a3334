"""Looks at the service as a client does: connects, waits for the greeting, says QUIT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from appliance.control.figures import History
from appliance.control.findings import Findings
from appliance.mail.views import Unavailable
from appliance.monitor.availability import (
    DAYS,
    OWN,
    PEER,
    SERVICE,
    AvailabilityView,
    Probed,
    availability,
)
from appliance.monitor.events import Emit, Event
from appliance.monitor.ring import DAY

_EVERY = 5.0
_PATIENCE = 5.0
_SUM_UP = 60.0
Place = tuple[str, int]


@dataclass(frozen=True)
class Targets:
    """Where to look: this node's SMTP, and at the virtual address if there is one.

    `source`: from which address, None for whichever the kernel takes.
    """

    own: Place
    virtual: Place | None
    source: str | None


class Prober:
    """Probes until cancelled; `clock` counts milliseconds."""

    def __init__(
        self,
        targets: Targets,
        findings: Findings,
        history: History,
        clock: Callable[[], int],
        emit: Emit,
    ) -> None:
        self._targets = targets
        self._findings = findings
        self._history = history
        self._clock = clock
        self._emit = emit
        self._last_good: dict[str, int] = {}

    async def run(self) -> None:
        """Look every few seconds."""
        while True:
            started = self._clock()
            try:
                await self.probe()
            except Exception as error:  # whatever it is: the next look may go well
                self._emit(Event.FAILED, error=repr(error))
            await asyncio.sleep(max(0.0, _EVERY - (self._clock() - started) / 1000))

    async def sum_up(self) -> None:
        """Say every minute how available the service was."""
        while True:
            with suppress(Unavailable):
                self._findings.availability = await self._availability()
            await asyncio.sleep(_SUM_UP)

    async def probe(self) -> None:
        """Look once."""
        places = {OWN: self._targets.own, PEER: self._findings.peer_smtp}
        if self._targets.virtual is not None:
            places[SERVICE] = self._targets.virtual
        known = {name: place for name, place in places.items() if place is not None}
        greeted = await asyncio.gather(
            *(greets(place, self._targets.source, _PATIENCE) for place in known.values())
        )
        found = dict(zip(known, greeted, strict=True))
        if self._targets.virtual is None:
            found[SERVICE] = any(found.values())  # clients know both addresses
        self._findings.probed = self._counted(found)

    def _counted(self, found: Mapping[str, bool]) -> Mapping[str, Probed]:
        told, now = dict(self._findings.probed), self._clock()
        for name, good in found.items():
            last = told.get(name, Probed())
            if good:
                self._last_good[name] = now
            failing = 0 if good else now - self._last_good.setdefault(name, now)
            told[name] = replace(
                last, good=last.good + good, bad=last.bad + (not good), failing=failing
            )
        return told

    async def _availability(self) -> tuple[AvailabilityView, ...]:
        told = []
        for target in (SERVICE, OWN, PEER):
            for days in DAYS:
                mean = await self._history.mean(f"availability.{target}", days * DAY)
                if mean is not None:
                    told.append(availability(target, days, *mean))
        return tuple(told)


async def greets(place: Place, source: str | None, patience: float) -> bool:
    """Whether an SMTP server greets there with 220 within `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            local = None if source is None else (source, 0)
            reader, writer = await asyncio.open_connection(*place, local_addr=local, limit=1024)
            try:
                said = await reader.readline()
                writer.write(b"QUIT\r\n")
                with suppress(OSError, ValueError):
                    await reader.read(1024)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False
    return said.startswith(b"220")
