"""The clock, its time zone, and what it follows."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.ipc.machine import ClockState, Done, SetClock, SetTimeZone
from appliance.machine.command import Run
from appliance.machine.helper import HelperError, Operation, Tell
from appliance.machine.system import System

_ZONES = "usr/share/zoneinfo"
_TABLE = "usr/share/zoneinfo/tzdata.zi"
_LOCALTIME = "etc/localtime"
_LEAST, _MOST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2100))
_RTC_SET_TIME = 0x4024700A  # linux/rtc.h
_RTC_TIME = struct.Struct("9i")
_PATIENCE = 20.0
_BACKWARD = "L"


def set_clock(seconds: float) -> None:
    """The kernel's clock, and the one with the battery if there is one; raises OSError."""
    time.clock_settime(time.CLOCK_REALTIME, seconds)
    at = time.gmtime(seconds)
    fields = (at.tm_sec, at.tm_min, at.tm_hour, at.tm_mday, at.tm_mon - 1, at.tm_year - 1900)
    with suppress(FileNotFoundError):
        device = os.open("/dev/rtc0", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _RTC_SET_TIME, _RTC_TIME.pack(*fields, 0, 0, 0))
        finally:
            os.close(device)


class Clock:
    """The handlers."""

    def __init__(self, system: System, run: Run, step: Callable[[float], None] = set_clock) -> None:
        self._system = system
        self._run = run
        self._step = step

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(SetClock, self.set_clock, _PATIENCE, changes=True),
            Operation(SetTimeZone, self.set_time_zone, _PATIENCE, changes=True),
        )

    async def state(self) -> ClockState:
        """As it is now."""
        source, offset = "", None
        with suppress(HelperError):  # chrony is not there, or does not run
            source, offset = followed(await self._run("chronyc", "-c", "-n", "tracking"))
        return ClockState(
            now=time.time_ns() // 1_000_000,
            time_zone=self._zone(),
            source=source,
            offset=offset,
        )

    def zones(self) -> Sequence[str]:
        """The names of all time zones, and that of the machine's own, whatever it is."""
        names = {"UTC"}
        for line in self._system.read(_TABLE).splitlines():
            words = line.split()
            # "Z NAME …" is a zone, "L TARGET NAME" another name for one.
            if words[:1] == ["Z"]:
                names.add(words[1])
            elif words[:1] == [_BACKWARD] and len(words) == 3 and "/" in words[2]:
                names.add(words[2])
        usual = {one for one in names if not one.startswith("Etc/")}
        return sorted((usual | {self._zone()}) - {""})

    async def set_clock(self, request: SetClock, tell: Tell) -> Done:
        seconds = request.now / 1000
        if not _LEAST <= seconds < _MOST:
            raise HelperError("no clock shows that", "say it in milliseconds since 1970")
        await asyncio.to_thread(self._step, seconds)
        return Done(f"the clock shows {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC")

    async def set_time_zone(self, request: SetTimeZone, tell: Tell) -> Done:
        if request.name not in self.zones():
            raise HelperError("there is no such time zone", 'for example "Europe/Oslo"')
        localtime = self._system.root / _LOCALTIME
        draft = localtime.with_name(".localtime.twinpost")
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path("/", _ZONES, request.name))
        draft.replace(localtime)
        return Done(f"the time zone is {request.name}")

    def _zone(self) -> str:
        with suppress(OSError):
            return os.readlink(self._system.root / _LOCALTIME).partition("/zoneinfo/")[2]
        return ""


def followed(report: str) -> tuple[str, float | None]:
    """What `chronyc -c tracking` says that the clock follows, and how far ahead of it it is."""
    fields = report.strip().split(",")
    if len(fields) < 5:
        return "", None
    # Reference, its name, stratum, time of the last measurement, system time's offset.
    name = fields[1]
    if name in ("", "127.127.1.1"):  # itself
        return "", None
    try:
        return name, float(fields[4])
    except ValueError:
        return name, None
