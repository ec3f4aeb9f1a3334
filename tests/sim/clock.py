"""Virtual time: events in order of time, then of scheduling. Nothing here waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Clock:
    """`now` in milliseconds; `after` schedules; `run` plays."""

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
