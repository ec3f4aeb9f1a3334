"""So many a minute, as a token bucket. Pure: the caller says what time it is, in seconds."""

from __future__ import annotations

_BURST = 10
"""A quiet server is given at once what it would get in this part of a minute."""


class Rate:
    """Lets `per_minute` a minute through on average: in any time t at most burst + rate × t."""

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._at = now
        self._per_second = per_minute / 60
        self.burst = max(1.0, per_minute / _BURST)
        self._left = self.burst

    def available(self, now: float) -> float:
        """How many may go now."""
        gained = max(0.0, now - self._at) * self._per_second
        return min(self.burst, self._left + gained)

    def within(self, seconds: float, now: float) -> int:
        """How many may go within the next `seconds`."""
        return int(self.available(now) + seconds * self._per_second)

    def take(self, now: float) -> bool:
        """Let one through, if it may go now."""
        available = self.available(now)
        if available < 1.0:
            return False
        self._left, self._at = available - 1.0, max(self._at, now)
        return True

    def change(self, per_minute: int, now: float) -> None:
        """Another rate from now on; what was let through counts on."""
        left = self.available(now)
        self._at = max(self._at, now)
        self.per_minute = per_minute
        self._per_second = per_minute / 60
        self.burst = max(1.0, per_minute / _BURST)
        self._left = min(left, self.burst)
