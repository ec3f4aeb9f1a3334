"""The clocks of the services."""

from __future__ import annotations

import time

from appliance.monitor.procfs import boot_id
from appliance.monitor.ring import Moment

_BOOT = boot_id()


def monotonic() -> int:
    """Milliseconds since some moment; no step of the wall clock moves it."""
    return time.monotonic_ns() // 1_000_000


def boottime() -> int:
    """Nanoseconds since the machine started, its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_seconds() -> float:
    """The same in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def moment() -> Moment:
    """What the clocks say, for the history."""
    return Moment(_BOOT, boottime() // 1_000_000, wall())


def wall() -> int:
    """Milliseconds since 1970, for people only."""
    return time.time_ns() // 1_000_000
