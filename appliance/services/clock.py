"""The clocks of the services."""

from __future__ import annotations

import time


def monotonic() -> int:
    """Milliseconds since some moment; no step of the wall clock moves it."""
    return time.monotonic_ns() // 1_000_000


def boottime() -> int:
    """Nanoseconds since the machine started, its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wall() -> int:
    """Milliseconds since 1970, for people only."""
    return time.time_ns() // 1_000_000
