"""The journal: every durable change as segments, of this node's incarnations and the peer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apsw

from appliance.mail.queue_id import tag
from appliance.replica.position import Mark, Positions
from appliance.replica.record import Record, Segment, Started, encode, follows, mark
from appliance.spool.schema import rows

_PRUNED = 256


@dataclass(slots=True)
class Incarnation:
    """One incarnation as this node holds it.

    `at` is its node's running time at the tip; `shared` is what the peer holds durably. Of the
    messages accepted up to `pruned`, those that are not here were pruned, or are unapplied.
    """

    idx: int
    id: bytes
    tag: str
    node: bytes
    tip: Mark
    at: int
    shared: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A segment as the journal keeps it."""

    lsn: int
    incarnation: bytes
    first: int
    last: int
    data: bytes


class Journal:
    """Appends segments inside the writer's transaction and reads them back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self.incarnations: dict[bytes, Incarnation] = {}
        self.by_idx: dict[int, Incarnation] = {}
        self.by_tag: dict[str, Incarnation] = {}
        for idx, id_, tag_, node, seq, hash_, at, shared, pruned in rows(
            connection,
            "SELECT idx, id, tag, node, seq, hash, at, shared, pruned FROM incarnation"
            " ORDER BY idx",
        ):
            tip = Mark(seq, hash_)
            self._remember(Incarnation(idx, id_, tag_, node, tip, at, shared, pruned))
        self._next_lsn = (connection.execute("SELECT max(lsn) FROM journal").get or 0) + 1
        self._tail = connection.execute("SELECT min(lsn) FROM journal").get or self._next_lsn

    @property
    def head(self) -> int:
        """The lsn that the next segment will get."""
        return self._next_lsn

    def clock(self, node: bytes) -> int:
        """The running time that the records of `node` show it has reached."""
        return max((i.at for i in self.incarnations.values() if i.node == node), default=0)

    def tip(self, incarnation: bytes) -> Mark | None:
        """The end of what is held of an incarnation."""
        known = self.incarnations.get(incarnation)
        return known.tip if known else None

    def marks(self) -> dict[bytes, Mark]:
        """The end of what is held of every incarnation, the current transaction included."""
        return {i.id: i.tip for i in self.incarnations.values() if i.tip.seq}

    def positions(self) -> dict[bytes, int]:
        """`marks` without hashes."""
        return {i.id: i.tip.seq for i in self.incarnations.values() if i.tip.seq}

    def write(
        self, incarnation: bytes, epoch: int, at: int, records: Sequence[Record]
    ) -> tuple[Segment, bytes]:
        """Append a segment of this node's own."""
        tip = self.tip(incarnation)
        segment = Segment(
            incarnation,
            tip.seq + 1 if tip else 1,
            tip.hash if tip else b"",
            epoch,
            at,
            tuple(records),
        )
        data = encode(segment)
        self._append(segment, data)
        return segment, data

    def ingest(self, segment: Segment, data: bytes) -> bool:
        """Append a segment of the peer's; False if it is held already.

        Raises Diverged, and LookupError for a gap or an incarnation that begins without Started.
        """
        if not follows(segment, self.tip(segment.incarnation)):
            return False
        if segment.incarnation not in self.incarnations and not isinstance(
            segment.records[0], Started
        ):
            raise LookupError(
                f"incarnation {segment.incarnation.hex()} does not begin with Started"
            )
        self._append(segment, data)
        return True

    def _append(self, segment: Segment, data: bytes) -> None:
        known = self.incarnations.get(segment.incarnation)
        tip = mark(segment, data)
        if known is None:
            started = segment.records[0]
            assert isinstance(started, Started)
            known = self.introduce(segment.incarnation, started.node)
        self._move_tip(known, tip, segment.at)
        self._db.execute(
            "INSERT INTO journal(lsn, inc, first, last, hash, segment) VALUES(?,?,?,?,?,?)",
            (self._next_lsn, known.idx, segment.first, tip.seq, tip.hash, data),
        )
        self._next_lsn += 1

    def introduce(self, incarnation: bytes, node: bytes) -> Incarnation:
        """Make an incarnation known, with nothing held of it yet.

        Raises LookupError if its messages could not be told from another's.
        """
        if tag(incarnation) in self.by_tag:
            raise LookupError(f"incarnation {incarnation.hex()} has the tag of another one")
        idx = max(self.by_idx, default=0) + 1
        known = Incarnation(idx, incarnation, tag(incarnation), node, Mark(0, b""), 0, 0, 0)
        self._db.execute(
            "INSERT INTO incarnation(idx, id, tag, node, seq, hash) VALUES(?,?,?,?,0,x'')",
            (idx, incarnation, known.tag, node),
        )
        self._remember(known)
        return known

    def jump(self, incarnation: bytes, tip: Mark, at: int) -> None:
        """What was merged from a snapshot replaces the records up to `tip`.

        Older segments go: nobody could be sent them without those that are missing.
        """
        known = self.incarnations[incarnation]
        if tip.seq > known.tip.seq:
            self._db.execute("DELETE FROM journal WHERE inc=?", (known.idx,))
            self._move_tip(known, tip, at)

    def _move_tip(self, known: Incarnation, tip: Mark, at: int) -> None:
        known.tip, known.at = tip, at
        self._db.execute(
            "UPDATE incarnation SET seq=?, hash=?, at=? WHERE idx=?",
            (tip.seq, tip.hash, at, known.idx),
        )

    def share(self, positions: Positions) -> None:
        """The peer holds these positions durably now (or again no more than these)."""
        for known in self.incarnations.values():
            seq = positions.get(known.id)
            if seq is not None and seq != known.shared:
                known.shared = seq
                self._db.execute("UPDATE incarnation SET shared=? WHERE idx=?", (seq, known.idx))

    def note_pruned(self, incarnation: bytes, seq: int) -> None:
        """The message accepted as record `seq` was pruned."""
        known = self.incarnations[incarnation]
        if seq > known.pruned:
            known.pruned = seq
            self._db.execute("UPDATE incarnation SET pruned=? WHERE idx=?", (seq, known.idx))

    def hash_at(self, incarnation: bytes, seq: int) -> bytes | None:
        """The hash after record `seq` if a segment that is still kept ends there."""
        known = self.incarnations.get(incarnation)
        if known is None:
            return None
        if known.tip.seq == seq:
            return known.tip.hash
        found = self._db.execute(
            "SELECT hash FROM journal WHERE inc=? AND last=?", (known.idx, seq)
        ).get
        return bytes(found) if found is not None else None

    def start_for(self, positions: Positions) -> int | None:
        """The lsn from which a peer that holds `positions` must be sent segments.

        The head if it lacks nothing; None if the journal no longer reaches back that far.
        """
        start = self.head
        for known in self.incarnations.values():
            have = positions.get(known.id, 0)
            if have >= known.tip.seq:
                continue
            row = self._db.execute(
                "SELECT lsn, first FROM journal WHERE inc=? AND last>? ORDER BY last LIMIT 1",
                (known.idx, have),
            ).fetchone()
            if row is None or row[1] > have + 1:
                return None
            start = min(start, row[0])
        return start

    def read(self, lsn: int, limit: int = 64) -> Iterator[Stored]:
        """Segments from `lsn` on."""
        for lsn_, inc, first, last, data in self._db.execute(
            "SELECT lsn, inc, first, last, segment FROM journal WHERE lsn>=? ORDER BY lsn LIMIT ?",
            (lsn, limit),
        ):
            yield Stored(lsn_, self.by_idx[inc].id, first, last, data)

    def prune(self, keep: int, shared: bool) -> int:
        """Drop the oldest segments, now and then, but for the last `keep`; returns how many.

        `shared`: only those that both nodes hold durably. A peer that comes back without them
        gets a snapshot.
        """
        excess = self._next_lsn - self._tail - keep
        if excess < min(keep, _PRUNED):
            return 0
        dropped = list[int]()
        oldest = "SELECT lsn, inc, last FROM journal ORDER BY lsn LIMIT ?"
        for lsn, inc, last in rows(self._db, oldest, (min(excess, _PRUNED),)):
            if shared and last > self.by_idx[inc].shared:
                break
            dropped.append(lsn)
        if dropped:
            self._tail = dropped[-1] + 1
            self._db.execute("DELETE FROM journal WHERE lsn<?", (self._tail,))
        return len(dropped)

    def _remember(self, known: Incarnation) -> None:
        self.incarnations[known.id] = known
        self.by_idx[known.idx] = known
        self.by_tag[known.tag] = known
