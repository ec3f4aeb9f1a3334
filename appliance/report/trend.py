"""Where a figure goes if it goes on as it did: a straight line through what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DAY = 86_400_000
_LEAST_SPAN = DAY
_LEAST_POINTS = 12


@dataclass(frozen=True)
class Trend:
    """`now` by the line; `daily` is what it gains in a day."""

    now: float
    daily: float

    def days_until(self, limit: float) -> float | None:
        """Days until it falls to, or rises to, `limit`; None if it does not go there."""
        gap = limit - self.now
        if gap == 0 or self.daily == 0 or (gap > 0) != (self.daily > 0):
            return None
        return gap / self.daily


def trend(values: Sequence[float | None], step: int) -> Trend | None:
    """The line of least squares; None for less than a day, or for too little."""
    known = [(place * step / DAY, value) for place, value in enumerate(values) if value is not None]
    if len(known) < _LEAST_POINTS or (known[-1][0] - known[0][0]) * DAY < _LEAST_SPAN:
        return None
    middle = sum(at for at, _ in known) / len(known)
    mean = sum(value for _, value in known) / len(known)
    spread = sum((at - middle) ** 2 for at, _ in known)
    daily = sum((at - middle) * (value - mean) for at, value in known) / spread
    return Trend(mean + daily * (known[-1][0] - middle), daily)
