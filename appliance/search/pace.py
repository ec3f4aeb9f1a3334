"""How fast the indexer may go: search must not slow mail down, and must keep up with the floor.

Low priority is not enough. On two cores that mail keeps busy, a process at nice 19 halves its rate:
what it takes of the caches, of the disk and of each other's idle moments is not given back. So the
indexer rests while mail needs the machine, falls behind on purpose, and catches up afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import exp
from typing import NamedTuple, Protocol

PROMISED = 200
"""Messages a second up to which the index keeps up, whatever else the machine does; 10,000 a
minute are 167."""
_RECORDS = 4 * PROMISED
"""The same in records of the journal: accepting, leasing and delivering a message makes three.
More means that mail is busy with what came before."""
_RESERVED = 0.5
"""Cores that are left idle for what mail may need in the next moment."""
_MEAN_OF = 3_000
"""Milliseconds over which rates are averaged: mail comes in bursts, and a short one is no load."""
_LOOK_EVERY = 200
_LEAST, _LONGEST = 0.05, 200
"""The share of a core below which it is better to rest; milliseconds of a rest at a time."""
_BLINK = 0.005
"""Seconds between two looks whether a question is answered."""


class Load(NamedTuple):
    """What the machine did since the last look: `idle` cores, where what this process used counts
    as idle; `messages` and `records` of the journal a second."""

    idle: float
    messages: float
    records: float


class Pace(Protocol):
    """What the indexer asks on its way."""

    def resting(self) -> bool:
        """Whether to do nothing for the moment."""

    def pause(self) -> None:
        """Called every few milliseconds of work; returns when it may go on."""


class Rule:
    """Decides from the loads of the last moments; pure."""

    def __init__(self) -> None:
        self._idle = self._messages = self._records = 0.0
        self._seen: int | None = None

    def share(self, now: int, load: Load) -> float:
        """The share of one core that the indexer may take; `now` in milliseconds."""
        passed = _LOOK_EVERY if self._seen is None else now - self._seen
        weight, self._seen = 1 - exp(-passed / _MEAN_OF), now
        self._messages += (load.messages - self._messages) * weight
        self._records += (load.records - self._records) * weight
        # The busier of two moments: mail gets the core at once, the index after a while.
        idle, self._idle = min(load.idle, self._idle), load.idle
        if self._messages <= PROMISED and self._records <= _RECORDS:
            return 1.0
        share = idle - _RESERVED
        return min(share, 1.0) if share >= _LEAST else 0.0


class Pacer:
    """A Pace by what `look` sees. `wait` sleeps for some seconds, and is True if it is time to
    stop: from then on nothing rests any more. `clock` is in milliseconds."""

    def __init__(
        self, look: Callable[[], Load], clock: Callable[[], int], wait: Callable[[float], bool]
    ) -> None:
        self._look = look
        self._clock = clock
        self._wait = wait
        self._rule = Rule()
        self._looked = self._resumed = clock()
        self._share = 1.0
        self._asked = False
        self._own_until = 0
        look()

    def resting(self) -> bool:
        return self._now() == 0.0

    @contextmanager
    def asked(self) -> Iterator[None]:
        """While a question is answered in another thread, which then has this process to itself."""
        self._asked = True
        try:
            yield
        finally:
            self._asked = False

    def pause(self) -> None:
        self._let_questions_pass()
        share = self._now()
        while share < 1.0:
            worked = self._clock() - self._resumed
            rest = _LONGEST if share == 0.0 else min(worked * (1 - share) / share, _LONGEST)
            if self._wait(rest / 1000):
                return
            self._resumed = self._clock()
            if share > 0.0:
                return
            share = self._now()

    def _let_questions_pass(self) -> None:
        """For half of the time at most, however many there are."""
        began = now = self._clock()
        if now < self._own_until:
            return
        while self._asked and now - began < _LONGEST and not self._wait(_BLINK):
            now = self._clock()
        self._own_until = now + (now - began)

    def _now(self) -> float:
        now = self._clock()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._share = self._rule.share(now, self._look())
        if self._share == 1.0:
            self._resumed = now
        return self._share
