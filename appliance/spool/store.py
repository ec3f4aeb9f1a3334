"""The spool's state machine on disk: records in, tables out, one transaction at a time.

Synchronous and without a clock: the asyncio service and the simulation drive the same code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import apsw
import msgspec

from appliance.decoding import from_msgpack
from appliance.replica import message as rules
from appliance.replica.frames import Carried
from appliance.replica.message import Stamp
from appliance.replica.ownership import Claim, Ownership
from appliance.replica.record import (
    KINDS,
    Accepted,
    Attempt,
    Claimed,
    Ended,
    Foreign,
    Leased,
    Logged,
    Pruned,
    Record,
    Removed,
    Segment,
    Started,
    decode,
    opened,
)
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion
from appliance.spool.carried import CarriedRecords
from appliance.spool.clocks import Clocks
from appliance.spool.journal import Journal
from appliance.spool.lanes import Lane, Lanes
from appliance.spool.messages import Entry, Messages, key_of, queue_id_of
from appliance.spool.peer_words import PeerWords
from appliance.spool.pruning import Pruning
from appliance.spool.scheduler import Scheduler
from appliance.spool.schema import NUMBER_BITS, rows
from appliance.spool.site import SiteStore
from appliance.spool.unapplied import Unapplied

DAMAGED_THERE = "its content was damaged on the disk of the node that had it"


class Damaged(Exception):
    """Content that does not have the digest its record names."""


class Durable(Protocol):
    """Something that can be made durable."""

    def make_durable(self) -> None:
        """Blocks until it is on disk; raises OSError."""


class Store:
    """One node's spool. Every method that changes it runs between `begin` and `commit`."""

    def __init__(
        self, connection: apsw.Connection, node: bytes, incarnation: bytes, elapsed: int
    ) -> None:
        self._db = self.connection = connection
        self.node = node
        self.incarnation = incarnation
        self.journal = Journal(connection)
        self.lanes = Lanes(connection, self.journal)
        self.messages = Messages(connection, self.journal, self.lanes)
        self.scheduler = Scheduler(connection)
        self.site = SiteStore(connection)
        self.peer_words = PeerWords(connection)
        self.ownership = Ownership(
            {i.id: i.node for i in self.journal.incarnations.values()},
            (
                from_msgpack(claim, Claim)
                for (claim,) in connection.execute("SELECT claim FROM claim")
            ),
        )
        self.clocks = Clocks(connection, node, elapsed)
        self.epoch = self.ownership.epoch
        self.messages.now = self.clocks.saved
        self._aside = Unapplied(connection, self.journal)
        self.carried = CarriedRecords(connection, self.journal)
        self.pruning = Pruning(connection, self.journal, self.messages, self._aside)
        self.late = 0
        """Records that came after their message had been pruned."""
        self.messages.duplicates = self._number("duplicates")
        self.messages.doubts = self._number("doubts")
        self._counts = (self.messages.duplicates, self.messages.doubts)
        self._bodies: list[Durable] = []

    @property
    def unapplied(self) -> int:
        """Records that are journalled but could not be applied."""
        return self._aside.count

    def running(self, elapsed: int) -> int:
        """This node's running time, given its monotonic clock (both milliseconds)."""
        return self.clocks.running(elapsed)

    def begin(self) -> None:
        """Open the transaction of one turn."""
        self._db.execute("BEGIN IMMEDIATE")
        self.clocks.begin()
        self._changes = self._db.total_changes()

    @property
    def changed(self) -> bool:
        """True if this turn has something to commit."""
        return self.messages.changed or self._db.total_changes() != self._changes

    def flush(self, running: int) -> None:
        """Write the working set; after this only the commit is left."""
        self.messages.now = running
        self._flush_messages()
        self.clocks.flush(running)
        counts = (self.messages.duplicates, self.messages.doubts)
        if counts != self._counts:
            self._counts = counts
            self._set_meta("duplicates", counts[0])
            self._set_meta("doubts", counts[1])

    def _flush_messages(self) -> None:
        self.messages.flush(self.clocks.offsets)
        for slot in self.messages.woken:
            self.scheduler.woken(slot)

    def durable_first(self, body: Durable) -> None:
        """Make a large body durable before the commit that names it."""
        self._bodies.append(body)

    def rollback(self) -> None:
        """Close the transaction of a turn that wrote nothing."""
        self.messages.forget()
        self._db.execute("ROLLBACK")

    def commit(self) -> None:
        """The commit point on this node: returns when bodies and the WAL are fsynced.

        Crash windows: before it, nothing of the turn happened here, though the peer may hold its
        records (they come back on connect); after it, whatever the turn accepted is durable here
        even if nobody was told. May run in another thread, while nothing else uses the store.
        """
        for body in self._bodies:
            body.make_durable()
        self._bodies.clear()
        self._db.execute("COMMIT")

    def start(self, running: int) -> tuple[Segment, bytes]:
        """Begin this incarnation: its first record, in a transaction of its own."""
        # For those who only read the spool: who this is.
        self._set_meta("node", self.node)
        self.clocks.start()
        for one in self.carried.take_understood():
            self._apply_carried(one)
        return self.write([Started(self.node)], {}, running)

    def write(
        self, records: Sequence[Record], contents: Mapping[str, bytes], running: int
    ) -> tuple[Segment, bytes]:
        """Journal and apply records of this node's own."""
        segment, data = self.journal.write(self.incarnation, self.epoch, running, records)
        self._apply(segment, contents)
        return segment, data

    def write_claim(
        self,
        owner: bytes,
        reason: str,
        doubt: bool,
        running: int,
        scope: Mapping[bytes, int] | None = None,
    ) -> tuple[Segment, bytes]:
        """Claim for `owner` everything this node knows of, in a new epoch and its own segment.

        With a `scope` only that.
        """
        self.epoch = max(self.epoch, self.ownership.epoch) + 1
        claimed = dict(self.journal.positions() if scope is None else scope)
        return self.write([Claimed(owner, claimed, reason, doubt)], {}, running)

    def owned_by(self, node: bytes) -> dict[bytes, int]:
        """Positions that cover every message `node` owns, as far as this node knows of it."""
        found = {}
        for lane in self.lanes:
            known = self.journal.by_idx[lane.inc]
            if lane.low < known.tip.seq and self.lanes.owner(lane, self.ownership) == node:
                found[known.id] = known.tip.seq
        return found

    def fence(self, claims: Iterable[Claim]) -> None:
        """Heed claims that a peer told of ahead of its journal."""
        self.ownership.fence(claims)
        if self.ownership.fences:
            self._cut(self.ownership.fences)

    def ingest(
        self,
        data: bytes,
        contents: Mapping[str, bytes],
        running: int,
        gone: Collection[str] = (),
    ) -> Segment | None:
        """Journal and apply a segment of the peer's; None if it is held already.

        `gone`: messages it accepts that were pruned since, content and all. Raises Diverged,
        LookupError for a gap, Damaged, and msgspec.DecodeError; then nothing was changed.
        """
        segment = decode(data)
        for record in segment.records:
            if isinstance(record, Accepted) and record.queue_id in contents:
                if sha256(contents[record.queue_id]).digest() != record.digest:
                    raise Damaged(f"content of {record.queue_id} does not match its digest")
        if not self.journal.ingest(segment, data):
            return None
        self.clocks.heard(self.journal.incarnations[segment.incarnation].node, segment.at, running)
        self._apply(segment, contents, gone)
        return segment

    def _apply(
        self, segment: Segment, contents: Mapping[str, bytes], gone: Collection[str] = ()
    ) -> None:
        node = self.journal.incarnations[segment.incarnation].node
        for seq, record in enumerate(segment.records, segment.first):
            stamp = Stamp(segment.epoch, node, segment.at, segment.incarnation, seq)
            if isinstance(record, Accepted) and record.queue_id in gone:
                self.journal.note_pruned(segment.incarnation, seq)
                continue
            self._try_one(record, stamp, segment.at, contents)

    def carry(self, one: Carried) -> None:
        """Take in a record that the peer could only carry; raises LookupError."""
        if one.kind in KINDS:
            self._apply_carried(one)
        else:
            self.carried.keep(one)

    def _apply_carried(self, one: Carried) -> None:
        node = self.journal.incarnations[one.incarnation].node
        stamp = Stamp(one.epoch, node, one.at, one.incarnation, one.seq)
        try:
            record = opened(one.data)
        except msgspec.DecodeError as error:
            self._aside.add("", one.incarnation, one.seq, str(error))
        else:
            self._try_one(record, stamp, one.at, {})

    def _try_one(
        self, record: Record, stamp: Stamp, at: int, contents: Mapping[str, bytes]
    ) -> None:
        try:
            self._apply_one(record, stamp, at, contents)
        except (LookupError, ValueError) as error:
            if self.pruning.is_late(record):
                self.late += 1
            else:
                about = getattr(record, "queue_id", "")
                self._aside.add(about, stamp.incarnation, stamp.seq, str(error))

    def _apply_one(
        self, record: Record, stamp: Stamp, at: int, contents: Mapping[str, bytes]
    ) -> None:
        match record:
            case Accepted():
                self._accept(record, stamp, at, contents.get(record.queue_id))
            case Leased() | Ended() | Logged() | Removed():
                self._change(record, stamp)
            case Claimed():
                self.claim(Claim(stamp.epoch, record.owner, record.scope, record.doubt))
            case Pruned():
                self._flush_messages()
                self.pruning.apply(record)
            case SiteVersion() | Register():
                self.site.merge(record)
            case Started():
                self.ownership.nodes[stamp.incarnation] = record.node
            case Foreign():
                if record.kind in KINDS:
                    raise ValueError("it says it is foreign, and is not")
                stood = (stamp.incarnation, stamp.seq, stamp.epoch, at)
                self.carried.keep(Carried(*stood, record.kind, record.data))

    def _change(self, record: Leased | Ended | Logged | Removed, stamp: Stamp) -> None:
        entry = self.messages.get(record.queue_id)
        match record:
            case Leased():
                state = rules.leased(entry.state, record, stamp)
            case Ended():
                state = rules.ended(entry.state, record, stamp)
            case Logged():
                state = rules.logged(entry.state, record, stamp)
            case Removed():
                state = rules.removed(entry.state, record, stamp)
        self.messages.put(entry, state)

    def _accept(self, record: Accepted, stamp: Stamp, at: int, content: bytes | None) -> None:
        key = key_of(record.queue_id, self.journal)
        if key in self.messages:
            known = self.messages.by_key(key)
            if (known.state.incarnation, known.state.seq) != (stamp.incarnation, stamp.seq):
                raise ValueError(f"{record.queue_id} was accepted before")
            return  # it came in a snapshot
        if content is None and not record.external:
            raise ValueError(f"{record.queue_id} came without content")
        arrived = at + self.clocks.offsets.get(stamp.node, 0)
        state = rules.accepted(record, stamp, at)
        self.messages.add(
            Entry(
                key,
                record.queue_id,
                record.size,
                record.digest,
                record.external,
                arrived,
                record.envelope,
                state,
                None,
            ),
            content,
        )

    def lose(self, queue_id: str, incarnation: bytes, seq: int, reason: str) -> None:
        """The content of a message accepted as that record is nowhere: an alarm."""
        self._aside.add(queue_id, incarnation, seq, reason)

    def found(self, key: int) -> None:
        """A message came whole: no alarm of an earlier try to get it holds any more."""
        self._aside.forget(key)

    def prune_absent(self, incarnation: bytes, upto: int, present: Collection[int]) -> None:
        """See Pruning.absent."""
        self._flush_messages()
        self.pruning.absent(incarnation, upto, present)

    def damaged(self) -> frozenset[str]:
        """Messages that records speak of but that could not be applied here."""
        return frozenset([queue_id_of(key, self.journal) for key in self._aside])

    def claim(self, claim: Claim) -> None:
        """Take in a claim."""
        self.ownership.add(claim)
        self.epoch = max(self.epoch, claim.epoch)
        self._db.execute("DELETE FROM claim")  # some are superseded now; there are a few at most
        self._db.executemany(
            "INSERT INTO claim(claim) VALUES(?)",
            [(msgspec.msgpack.encode(one),) for one in self.ownership.claims],
        )
        self._cut([claim])

    def _cut(self, claims: Iterable[Claim]) -> None:
        """Cut the lanes that claims end in the middle of: each lane has one owner, or none."""
        self._flush_messages()
        for incarnation, seq in [item for claim in claims for item in claim.scope.items()]:
            known = self.journal.incarnations.get(incarnation)
            cut = self.lanes.cut(known.idx, seq) if known else None
            if cut:
                self.messages.move(cut[0].id, cut[1].id, seq)
        self._flush_messages()
        self.lanes.join(self.ownership)
        self.scheduler.reload()

    def hear_clock(self, node: bytes, clock: int, running: int) -> None:
        """A peer told its running time: due times it wrote can now be read.

        One that lost its disk begins at 0 again, until its records have come back to it.
        """
        self.clocks.told(node, max(clock, self.journal.clock(node)), running)

    def open_leases(self) -> list[tuple[Attempt, int]]:
        """Every open attempt with its message's key."""
        return [
            (Attempt(self.journal.by_idx[inc].id, seq), key)
            for inc, seq, key in self._db.execute("SELECT inc, seq, key FROM lease")
        ]

    def mine(self, lane: Lane) -> bool:
        """True if this node owns `lane`."""
        return self.lanes.owner(lane, self.ownership) == self.node

    def owes(self) -> bool:
        """True if this node owns recipients that have not ended; the working set is written."""
        queued = self._db.execute("SELECT DISTINCT lane FROM tally WHERE recipients > 0")
        return any(self.mine(self.lanes.get(lane)) for (lane,) in queued)

    def exposed(self) -> int:
        """Messages of which the peer has not said that it holds them."""
        total = 0
        for known in self.journal.incarnations.values():
            if known.tip.seq > known.shared:
                bounds = (known.idx << NUMBER_BITS, (known.idx + 1) << NUMBER_BITS, known.shared)
                ((count,),) = rows(
                    self._db,
                    "SELECT count(*) FROM message WHERE key>=? AND key<? AND seq>?",
                    bounds,
                )
                total += count
        return total

    def holds(self, queue_id: str) -> bool:
        """True if a record speaks of this message."""
        try:
            return key_of(queue_id, self.journal) in self.messages
        except LookupError:
            return False

    def content(self, queue_id: str) -> bytes | None:
        """Inline content of a message, None if there is none."""
        found = self._db.execute(
            "SELECT body FROM content WHERE key=?", (key_of(queue_id, self.journal),)
        ).get
        return None if found is None else bytes(found)

    def _number(self, name: str) -> int:
        found = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).get
        return found if isinstance(found, int) else 0

    def _set_meta(self, name: str, value: object) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)", (name, value))
