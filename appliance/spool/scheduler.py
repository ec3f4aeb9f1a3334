"""Which domain is due next: heaps over (lane, queue), so a long queue costs no more."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator

import apsw

from appliance.spool.messages import BULK, Slot
from appliance.spool.operations import Rooms
from appliance.spool.schema import HELD, rows

_SHARE = 256  # leases that one domain may get at a time while others wait
_BULK_EVERY = 4  # of so many leases one is for bulk mail, as long as any is due
_MOST_CREDIT = 4 * _SHARE

Heap = list[tuple[int, int, str]]
"""(wake, lane, queue)"""


class Doors:
    """Which lanes and domains a call of `Scheduler.due` may take from, and how much."""

    def __init__(
        self, allowed: Callable[[int], bool], blocked: Collection[str], rooms: Rooms
    ) -> None:
        self._allowed = allowed
        self._blocked = blocked
        self._rooms: dict[str, list[int]] = {}
        for count, domains in rooms:
            room = [count]
            self._rooms.update(dict.fromkeys(domains, room))

    def open(self, lane: int, domain: str) -> bool:
        """Whether anything may be taken from there, as far as room is left."""
        return domain not in self._blocked and self._allowed(lane)

    def room(self, domain: str) -> int:
        """How much more may be taken."""
        room = self._rooms.get(domain)
        return _SHARE if room is None else min(_SHARE, room[0])

    def took(self, domain: str, count: int) -> None:
        """So much was taken."""
        room = self._rooms.get(domain)
        if room is not None:
            room[0] -= count


class Scheduler:
    """Finds due messages lane by lane, domain by domain; interactive mail before bulk.

    Holds one number a (lane, queue) in memory: the earliest wake that may be there. It may be
    too early (the row went meanwhile), never too late.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._interactive: Heap = []
        self._bulk: Heap = []
        self._credit = 0
        """Leases of which bulk mail has not yet had its part."""
        self._earliest: dict[tuple[int, str], int] = {}
        self._parked: dict[tuple[int, str], int] = {}
        self.reload()

    def reload(self) -> None:
        """Start anew from the table (lanes were cut)."""
        self._interactive.clear()
        self._bulk.clear()
        self._earliest.clear()
        self._parked.clear()
        for slot in rows(
            self._db, "SELECT lane, domain, min(wake) FROM schedule GROUP BY lane, domain"
        ):
            self.woken(slot)

    def woken(self, slot: Slot) -> None:
        """A row was added to the schedule."""
        lane, queue, wake = slot
        if wake >= HELD:
            return
        parked = self._parked.get((lane, queue))
        if parked is not None:
            self._parked[lane, queue] = min(parked, wake)
            return
        known = self._earliest.get((lane, queue))
        if known is None or wake < known:
            self._earliest[lane, queue] = wake
            heap = self._bulk if queue.startswith(BULK) else self._interactive
            heapq.heappush(heap, (wake, lane, queue))

    @property
    def parked(self) -> bool:
        """True if a call of `due` left out what its caller did not want."""
        return bool(self._parked)

    def next_wake(self) -> int | None:
        """When something that is not parked is due next."""
        wakes = [self._next(heap) for heap in (self._interactive, self._bulk)]
        return min((wake for wake in wakes if wake is not None), default=None)

    def _next(self, heap: Heap) -> int | None:
        while heap:
            wake, lane, queue = heap[0]
            if self._earliest.get((lane, queue)) == wake:
                return wake
            heapq.heappop(heap)
        return None

    def due(
        self,
        now: int,
        limit: int,
        allowed: Callable[[int], bool],
        blocked: Collection[str],
        rooms: Rooms = (),
    ) -> Iterator[tuple[int, str]]:
        """Up to `limit` (message key, domain) that are due, at most a share of each domain.

        The caller leases every one of them in the same transaction. Lanes that are not `allowed`,
        domains that are `blocked` and those without room are parked until a later call lets them
        through.
        """
        self._unpark(allowed, blocked)
        doors, again = Doors(allowed, blocked, rooms), list[Slot]()
        kept = self._kept_for_bulk(now, limit)
        left = limit - kept
        for chosen in self._take(self._interactive, now, left, doors, again):
            left -= 1
            yield chosen
        left += kept
        for chosen in self._take(self._bulk, now, left, doors, again):
            left -= 1
            self._credit = max(0, self._credit - _BULK_EVERY)
            yield chosen
        yield from self._take(self._interactive, now, left, doors, again)
        for slot in again:
            self.woken(slot)

    def _kept_for_bulk(self, now: int, limit: int) -> int:
        """How many of `limit` leases are bulk mail's, whatever else there is."""
        wake = self._next(self._bulk)
        if wake is None or wake > now:
            self._credit = 0
            return 0
        self._credit = min(self._credit + limit, _MOST_CREDIT)
        return min(limit, self._credit // _BULK_EVERY)

    def _take(
        self, heap: Heap, now: int, limit: int, doors: Doors, again: list[Slot]
    ) -> Iterator[tuple[int, str]]:
        while limit > 0 and heap and heap[0][0] <= now:
            wake, lane, queue = heapq.heappop(heap)
            if self._earliest.get((lane, queue)) != wake:
                continue
            del self._earliest[lane, queue]
            domain = queue.removeprefix(BULK)
            share = min(limit, doors.room(domain))
            if share <= 0 or not doors.open(lane, domain):
                self._parked[lane, queue] = wake
                continue
            found = rows(
                self._db,
                "SELECT wake, key FROM schedule WHERE lane=? AND domain=? AND wake<?"
                " ORDER BY wake LIMIT ?",
                (lane, queue, HELD, share + 1),
            )
            candidates = list(found)
            taken = [key for due, key in candidates[:share] if due <= now]
            for key in taken:
                yield key, domain
            limit -= len(taken)
            doors.took(domain, len(taken))
            if len(candidates) > len(taken):
                again.append((lane, queue, candidates[len(taken)][0]))

    def _unpark(self, allowed: Callable[[int], bool], blocked: Collection[str]) -> None:
        if self._parked:
            for (lane, queue), wake in list(self._parked.items()):
                if queue.removeprefix(BULK) not in blocked and allowed(lane):
                    del self._parked[lane, queue]
                    self.woken((lane, queue, wake))
