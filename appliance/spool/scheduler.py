"""Which domain is due next: a heap over (lane, domain), so a long queue costs no more."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator

import apsw

from appliance.spool.messages import Slot
from appliance.spool.schema import HELD, rows

_SHARE = 256  # leases that one domain may get at a time while others wait


class Scheduler:
    """Finds due messages lane by lane, domain by domain.

    Holds one number a (lane, domain) in memory: the earliest wake that may be there. It may be
    too early (the row went meanwhile), never too late.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._heap: list[tuple[int, int, str]] = []
        self._earliest: dict[tuple[int, str], int] = {}
        self._parked: dict[tuple[int, str], int] = {}
        self.reload()

    def reload(self) -> None:
        """Start anew from the table (lanes were cut)."""
        self._heap.clear()
        self._earliest.clear()
        self._parked.clear()
        for slot in rows(
            self._db, "SELECT lane, domain, min(wake) FROM schedule GROUP BY lane, domain"
        ):
            self.woken(slot)

    def woken(self, slot: Slot) -> None:
        """A row was added to the schedule."""
        lane, domain, wake = slot
        if wake >= HELD:
            return
        parked = self._parked.get((lane, domain))
        if parked is not None:
            self._parked[lane, domain] = min(parked, wake)
            return
        known = self._earliest.get((lane, domain))
        if known is None or wake < known:
            self._earliest[lane, domain] = wake
            heapq.heappush(self._heap, (wake, lane, domain))

    @property
    def parked(self) -> bool:
        """True if a call of `due` left out what its caller did not want."""
        return bool(self._parked)

    def next_wake(self) -> int | None:
        """When something that is not parked is due next."""
        while self._heap:
            wake, lane, domain = self._heap[0]
            if self._earliest.get((lane, domain)) == wake:
                return wake
            heapq.heappop(self._heap)
        return None

    def due(
        self, now: int, limit: int, allowed: Callable[[int], bool], blocked: Collection[str]
    ) -> Iterator[tuple[int, str]]:
        """Up to `limit` (message key, domain) that are due, at most a share of each domain.

        The caller leases every one of them in the same transaction. Lanes that are not `allowed`
        and domains that are `blocked` are parked until a later call lets them through.
        """
        self._unpark(allowed, blocked)
        again: list[Slot] = []
        while limit > 0 and self._heap and self._heap[0][0] <= now:
            wake, lane, domain = heapq.heappop(self._heap)
            if self._earliest.get((lane, domain)) != wake:
                continue
            del self._earliest[lane, domain]
            if domain in blocked or not allowed(lane):
                self._parked[lane, domain] = wake
                continue
            share = min(limit, _SHARE)
            found = rows(
                self._db,
                "SELECT wake, key FROM schedule WHERE lane=? AND domain=? AND wake<?"
                " ORDER BY wake LIMIT ?",
                (lane, domain, HELD, share + 1),
            )
            candidates = list(found)
            taken = [key for due, key in candidates[:share] if due <= now]
            for key in taken:
                yield key, domain
            limit -= len(taken)
            if len(candidates) > len(taken):
                again.append((lane, domain, candidates[len(taken)][0]))
        for slot in again:
            self.woken(slot)

    def _unpark(self, allowed: Callable[[int], bool], blocked: Collection[str]) -> None:
        if self._parked:
            for (lane, domain), wake in list(self._parked.items()):
                if domain not in blocked and allowed(lane):
                    del self._parked[lane, domain]
                    self.woken((lane, domain, wake))
