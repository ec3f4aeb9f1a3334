"""When to try again, when to warn, when to give up (RFC 5321 §4.5.4.1).

All times are milliseconds of the owner's running time, never wall time: a clock that jumps
expires nothing.
"""

from __future__ import annotations

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Retry(msgspec.Struct, frozen=True):
    """What follows a failed attempt: the next one in `retry_in`, or none because time is up.

    `warn`: the sender has not yet been told of the delay, and now is the time.
    """

    retry_in: int
    expired: bool
    warn: bool


class RetrySchedule(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait between attempts.

    The `first` waits are short: most failures are greylisting or a restart over there. Then
    the wait grows from `base` (the half hour of §4.5.4.1) by `growth` up to `longest`. Every
    wait is spread by `jitter` (a share of it, both ways), so that a next hop coming back is
    not met by everybody at once.
    """

    first: tuple[int, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE)
    base: int = 30 * MINUTE
    growth: float = 2.0
    longest: int = 4 * HOUR
    jitter: float = 0.1
    lifetime: int = 5 * DAY
    warn_after: int = 4 * HOUR

    def __post_init__(self) -> None:
        """ValueError for a schedule that would never wait, never end or run backwards."""
        if any(wait < 1 for wait in (*self.first, self.base, self.longest, self.lifetime)):
            raise ValueError("every wait of a retry schedule must be longer than nothing")
        if self.warn_after < 0:
            raise ValueError("warn_after must not be negative")
        if not 1 <= self.growth <= 100:
            raise ValueError("growth must be from 1 to 100")
        if not 0 <= self.jitter < 1:
            raise ValueError("jitter must be at least 0 and less than 1")

    def wait(self, tries: int, random: float) -> int:
        """Milliseconds after an attempt that had `tries` before it; `random` is from [0, 1)."""
        return max(1, round(self._wait(tries) * (1 + self.jitter * (2 * random - 1))))

    def after_failure(self, age: int, tries: int, warned: bool, random: float) -> Retry:
        """What to do after a transient failure at `age` that had `tries` attempts before it.

        Nothing expires untried: this is asked after an attempt only. The last attempt is made
        when the lifetime ends, not up to `longest` before it.
        """
        left = self.lifetime - age
        if left <= 0:
            return Retry(0, True, False)
        retry_in = min(self.wait(tries, random), left)
        return Retry(retry_in, False, not warned and age >= self.warn_after)

    def _wait(self, tries: int) -> float:
        if tries < len(self.first):
            return self.first[tries]
        wait: float = self.base
        for _ in range(tries - len(self.first)):
            if wait >= self.longest or self.growth == 1:
                break
            wait *= self.growth
        return min(wait, self.longest)
