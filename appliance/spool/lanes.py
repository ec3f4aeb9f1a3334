"""Lanes: runs of messages that change owner together, so that adopting a million costs nothing.

A lane holds the messages of one incarnation accepted between two cuts. Claims cut incarnations at
the positions they name, so one claim, or none, decides about a whole lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from appliance.replica.ownership import Ownership
from appliance.spool.journal import Journal

_END = (1 << 62) - 1


@dataclass(slots=True)
class Lane:
    """Messages of incarnation `inc` accepted as record low < seq <= high."""

    id: int
    inc: int
    low: int
    high: int


class Lanes:
    """Which lane a message is in, and who owns each lane."""

    def __init__(self, connection: apsw.Connection, journal: Journal) -> None:
        self._db = connection
        self._journal = journal
        self._lanes: dict[int, Lane] = {}
        self._by_inc: dict[int, list[Lane]] = {}
        for row in connection.execute("SELECT id, inc, low, high FROM lane ORDER BY inc, low"):
            self._remember(Lane(*row))

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def get(self, lane_id: int) -> Lane:
        """A lane by its id."""
        return self._lanes[lane_id]

    def open(self, inc: int) -> None:
        """Make an incarnation's first lane, if it has none."""
        if inc not in self._by_inc:
            self._insert(Lane(self._new_id(), inc, 0, _END))

    def of(self, inc: int, seq: int) -> Lane:
        """The lane of a message."""
        for lane in self._by_inc[inc]:
            if seq <= lane.high:
                return lane
        raise AssertionError("the last lane has no end")

    def owner(self, lane: Lane, ownership: Ownership) -> bytes:
        """The node that owns everything in `lane`; b"" while that is being found out."""
        incarnation = self._journal.by_idx[lane.inc].id
        return ownership.owner(incarnation, lane.high)

    def doubtful(self, lane: Lane, ownership: Ownership) -> bool:
        """True if the lane was claimed without knowing what its former owner attempted."""
        claim = ownership.claim_of(self._journal.by_idx[lane.inc].id, lane.high)
        return claim is not None and claim.doubt and claim.epoch > ownership.settled

    def cut(self, inc: int, at: int) -> tuple[Lane, Lane] | None:
        """Make a lane end at record `at`: (what ends there, the new rest), None if one does."""
        self.open(inc)
        lane = self.of(inc, at)
        if lane.high == at:
            return None
        rest = Lane(self._new_id(), inc, at, lane.high)
        lane.high = at
        self._db.execute("UPDATE lane SET high=? WHERE id=?", (at, lane.id))
        self._insert(rest)
        return lane, rest

    def join(self, ownership: Ownership) -> None:
        """Make one lane of two neighbours about which one claim decides, where one is empty.

        So the lanes are as many as there are owners of what waits, however often claims cut them.
        """
        if ownership.fences:
            return  # they decide, too, for as long as they last
        queued = self._db.execute("SELECT DISTINCT lane FROM tally WHERE recipients > 0")
        full = {lane for (lane,) in queued}
        for inc, lanes in self._by_inc.items():
            incarnation, kept = self._journal.by_idx[inc].id, lanes[0]
            for lane in lanes[1:]:
                decides = ownership.claim_of(incarnation, kept.high)
                empty = kept if kept.id not in full else lane
                if empty.id in full or decides != ownership.claim_of(incarnation, lane.high):
                    kept = lane
                else:
                    kept = self._join(empty, lane if empty is kept else kept)

    def _join(self, empty: Lane, kept: Lane) -> Lane:
        kept.low, kept.high = min(kept.low, empty.low), max(kept.high, empty.high)
        bounds = kept.low, kept.high, kept.id
        self._db.execute("UPDATE lane SET low=?, high=? WHERE id=?", bounds)
        self._db.execute("DELETE FROM lane WHERE id=?", (empty.id,))
        self._db.execute("DELETE FROM tally WHERE lane=?", (empty.id,))
        del self._lanes[empty.id]
        self._by_inc[empty.inc].remove(empty)
        return kept

    def _insert(self, lane: Lane) -> None:
        self._db.execute(
            "INSERT INTO lane(id, inc, low, high) VALUES(?,?,?,?)",
            (lane.id, lane.inc, lane.low, lane.high),
        )
        self._remember(lane)

    def _remember(self, lane: Lane) -> None:
        self._lanes[lane.id] = lane
        lanes = self._by_inc.setdefault(lane.inc, [])
        lanes.append(lane)
        lanes.sort(key=lambda known: known.low)

    def _new_id(self) -> int:
        return max(self._lanes, default=0) + 1
