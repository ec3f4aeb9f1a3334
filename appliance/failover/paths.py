"""Whether the peer lives: heard on any path, or over the link, within Active_Down_Interval."""

from __future__ import annotations

from collections.abc import Iterable


class Paths:
    """When the peer was last heard on each path; the link is one of them.

    `dead_after` and all times are nanoseconds. A peer never heard is not alive. As for the
    router, time in which this node did not run is not silence of the other: a path whose death
    is noticed too late by as much as `dead_after` gets that time anew.
    """

    def __init__(self, paths: Iterable[int], dead_after: int) -> None:
        self._dead_after = dead_after
        self._dies: dict[int, int | None] = dict.fromkeys(paths)

    def heard(self, now: int, path: int) -> None:
        """A packet was accepted, or the link made progress; KeyError for an unknown path."""
        if path not in self._dies:
            raise KeyError(path)
        self._look(now)
        self._dies[path] = now + self._dead_after

    def alive(self, now: int) -> bool:
        """True while the peer was heard on any path: what `Pair.heartbeat` is told."""
        return bool(self.living(now))

    def living(self, now: int) -> frozenset[int]:
        """The paths on which the peer was heard; the others are to be alarmed."""
        self._look(now)
        return frozenset(path for path, dies in self._dies.items() if dies is not None)

    def next_timer(self) -> int | None:
        """When the next of the living paths dies, None if none lives."""
        living = (dies for dies in self._dies.values() if dies is not None)
        return min(living, default=None)

    def _look(self, now: int) -> None:
        for path, dies in self._dies.items():
            if dies is not None and now >= dies:
                gap = now - dies >= self._dead_after
                self._dies[path] = now + self._dead_after if gap else None
