"""How often processes were started again lately (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from appliance.monitor.snapshot import Process

_LATELY = 600.0
"""Seconds."""


class Restarts:
    """Looks at what the supervisor counts, since its own start, and remembers when it grew."""

    def __init__(self) -> None:
        self._counted: dict[str, int] = {}
        self._grew: dict[str, deque[float]] = {}

    def note(self, processes: Iterable[Process], now: float) -> Mapping[str, int]:
        """What is counted at `now`, in seconds; how often each was started again lately."""
        for one in processes:
            grown = one.restarts - self._counted.get(one.name, one.restarts)
            self._counted[one.name] = one.restarts
            self._grew.setdefault(one.name, deque(maxlen=100)).extend([now] * max(0, grown))
        for times in self._grew.values():
            while times and now - times[0] > _LATELY:
                times.popleft()
        return {name: len(times) for name, times in self._grew.items() if times}
