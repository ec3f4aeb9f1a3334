"""Virtual time, and the clocks of machines that tell it differently. Nothing here waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Clock:
    """`now` in milliseconds; `after` schedules; `run` plays events in order of time."""

    def __init__(self) -> None:
        self.now = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, delay: int, action: Callable[[], None]) -> None:
        """Do `action` in `delay` milliseconds."""
        heapq.heappush(self._events, (self.now + max(0, delay), next(self._order), action))

    def run(self, until: int) -> None:
        """Play every event up to `until`."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = max(self.now, until)


class Monotonic:
    """One machine's monotonic clock: it began at some other number and runs at its own rate."""

    def __init__(self, clock: Clock, base: int, per_mille: int) -> None:
        self._clock = clock
        self._started = clock.now
        self._base = base
        self._per_mille = per_mille

    def __call__(self) -> int:
        """Milliseconds."""
        return self._base + (self._clock.now - self._started) * self._per_mille // 1000
