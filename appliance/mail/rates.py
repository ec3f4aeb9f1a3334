"""So much from each client in so much time. Pure: the caller says what time it is."""

from __future__ import annotations


class Rates:
    """At most `limit` in `period` for each key, of which at most `capacity` are remembered.

    What was not used comes back evenly (the generic cell rate algorithm: one number a key), so
    after a quiet time `limit` may come at once, and in any time t at most limit × (1 + t / period).
    Times are whole nanoseconds of a clock that never steps back. Of too many keys the one that
    has been quiet for longest is forgotten.
    """

    def __init__(self, limit: int, period: int, capacity: int = 100_000) -> None:
        self._step = max(1, period // limit)
        self._slack = self._step * (limit - 1)
        self._capacity = capacity
        self._used: dict[str, int] = {}
        """When a key will have everything back, the longest quiet first."""

    def __len__(self) -> int:
        return len(self._used)

    def fits(self, key: str, now: int) -> bool:
        """Whether one more may come."""
        return self._used.get(key, now) - now <= self._slack

    def take(self, key: str, now: int) -> None:
        """Count one."""
        until = max(self._used.pop(key, now), now)
        if len(self._used) >= self._capacity:
            del self._used[next(iter(self._used))]
        self._used[key] = until + self._step
