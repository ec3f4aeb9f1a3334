"""The messages of the spool as one transaction sees them: loaded once, changed, written once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apsw
import msgspec

from appliance.mail.queue_id import parse, queue_id
from appliance.replica.message import MessageState
from appliance.replica.record import Attempt, Log, Result
from appliance.spool.journal import Journal
from appliance.spool.lanes import Lanes
from appliance.spool.schema import HELD, NUMBER_BITS, Stage, rows
from appliance.spool.tally import Tally

Slot = tuple[int, str, int]
"""(lane, queue, wake): one row in `schedule`; `wake` in this node's running time.

A queue is the recipients' domain; bulk mail for it has a queue of its own (`queue_of`).
"""
BULK = "bulk "
"""Before the domain: no domain has a space."""

_SELECT = "SELECT key, size, digest, external, arrived, slots, state, envelope, trace FROM message"
_LSN = 8
_TRACE_LIMIT = 256 * _LSN
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(MessageState).decode
_decode_slots = msgspec.msgpack.Decoder(tuple[Slot, ...]).decode


@dataclass(slots=True)
class Entry:
    """One message in the working set; `stored` is the state in the table, None if it is new."""

    key: int
    queue_id: str
    size: int
    digest: bytes
    external: bool
    arrived: int
    envelope: bytes
    state: MessageState
    stored: MessageState | None
    slots: tuple[Slot, ...] = ()
    trace: bytes = b""


def lsns(trace: bytes) -> list[int]:
    """The journal's segments that speak of a message, from its `trace`."""
    return [
        int.from_bytes(trace[start : start + _LSN], "big") for start in range(0, len(trace), _LSN)
    ]


def last_lsn(trace: bytes) -> int:
    """The segment that changed a message last, from its `trace`."""
    return int.from_bytes(trace[-_LSN:], "big")


def key_of(queue_id: str, journal: Journal) -> int:
    """The row of a message; raises LookupError if no known incarnation made the id."""
    try:
        tag, number = parse(queue_id)
        index = journal.by_tag[tag].idx
    except (ValueError, KeyError):
        raise LookupError(f"no message {queue_id}") from None
    if number >> NUMBER_BITS:
        raise LookupError(f"no message {queue_id}")
    return index << NUMBER_BITS | number


def queue_of(log: Log) -> str:
    """Where a recipient waits."""
    return BULK + log.domain if log.bulk else log.domain


def queue_id_of(key: int, journal: Journal) -> str:
    """The queue id of a row."""
    return queue_id(journal.by_idx[key >> NUMBER_BITS].tag, key & (1 << NUMBER_BITS) - 1)


class Messages:
    """The working set, and the derived tables: schedule, open leases, mailboxes."""

    def __init__(self, connection: apsw.Connection, journal: Journal, lanes: Lanes) -> None:
        self._db = connection
        self._journal = journal
        self._lanes = lanes
        self._tally = Tally(connection)
        self.now = 0
        """This node's running time when the working set is written."""
        self._entries: dict[int, Entry] = {}
        self._dirty: dict[int, Entry] = {}
        self.duplicates = 0
        self.doubts = 0
        """Recipients' repeated deliveries and attempts in doubt, over all messages ever."""
        self.woken: list[Slot] = []
        """Slots that the last flush added: the scheduler wants to hear of them."""

    def get(self, queue_id: str) -> Entry:
        """A message by queue id; raises LookupError."""
        return self.by_key(key_of(queue_id, self._journal))

    def by_key(self, key: int) -> Entry:
        """A message by row; raises LookupError."""
        entry = self._entries.get(key)
        if entry is None:
            row = self._db.execute(f"{_SELECT} WHERE key=?", (key,)).fetchone()
            if row is None:
                raise LookupError(f"no message {queue_id_of(key, self._journal)}")
            entry = self._entries[key] = self._entry(row)
        return entry

    def after(self, key: int, limit: int) -> Iterator[Entry]:
        """Messages in key order, outside the working set."""
        for row in self._db.execute(f"{_SELECT} WHERE key>? ORDER BY key LIMIT ?", (key, limit)):
            yield self._entry(row)

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        key, size, digest, external, arrived, slots, state, envelope, trace = row
        decoded = _decode_state(state)
        return Entry(
            key,
            queue_id_of(key, self._journal),
            size,
            digest,
            bool(external),
            arrived,
            envelope,
            decoded,
            decoded,
            _decode_slots(slots),
            trace,
        )

    def __contains__(self, key: int) -> bool:
        if key in self._entries:
            return True
        return self._db.execute("SELECT 1 FROM message WHERE key=?", (key,)).get is not None

    def add(self, entry: Entry, content: bytes | None) -> None:
        """A new message; `content` is None if it is a file."""
        if content is not None:
            self._db.execute("INSERT INTO content(key, body) VALUES(?,?)", (entry.key, content))
        self._lanes.open(entry.key >> NUMBER_BITS)
        self._entries[entry.key] = self._dirty[entry.key] = entry
        self._trace(entry)

    def put(self, entry: Entry, state: MessageState) -> None:
        """The message's new state."""
        entry.state = state
        self._dirty[entry.key] = entry
        self._trace(entry)

    def drop(self, entry: Entry) -> None:
        """Forget a message; the working set is written. Mailboxes keep what they hold."""
        self._reschedule(entry, ())
        for attempt in _open_attempts(entry.state):
            self._db.execute("DELETE FROM lease WHERE inc=? AND seq=?", self._row(attempt))
        lane = self._lanes.of(entry.key >> NUMBER_BITS, entry.state.seq).id
        self._tally.add(lane, entry.state, -1)
        self._tally.flush()
        self._db.execute("DELETE FROM message WHERE key=?", (entry.key,))
        self._db.execute("DELETE FROM content WHERE key=?", (entry.key,))
        self._entries.pop(entry.key, None)

    def _trace(self, entry: Entry) -> None:
        lsn = (self._journal.head - 1).to_bytes(_LSN, "big")
        if entry.trace[-_LSN:] != lsn:
            # How it began, and the latest of what became of it.
            entry.trace = entry.trace[:_LSN] + entry.trace[_LSN:][-_TRACE_LIMIT:] + lsn

    @property
    def changed(self) -> bool:
        """True if there is something to write."""
        return bool(self._dirty)

    def forget(self) -> None:
        """Drop the working set."""
        self._dirty.clear()
        self._entries.clear()

    def flush(self, offsets: Mapping[bytes, int]) -> None:
        """Write what changed; `offsets` turns a node's running time into this node's."""
        self.woken = []
        for entry in self._dirty.values():
            slots = self._slots(entry, offsets)
            if entry.stored is None:
                self._insert(entry, slots)
            elif entry.state != entry.stored:
                self._update(entry, slots)
            else:
                continue
            self._reschedule(entry, slots)
            self._note_attempts(entry)
            self._count(entry)
            entry.slots, entry.stored = slots, entry.state
        self._tally.flush()
        self._dirty.clear()
        self._entries.clear()

    def _insert(self, entry: Entry, slots: tuple[Slot, ...]) -> None:
        self._db.execute(
            "INSERT INTO message(key, seq, size, digest, external, arrived, stage, since, slots,"
            " state, envelope, trace) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                entry.key,
                entry.state.seq,
                entry.size,
                entry.digest,
                entry.external,
                entry.arrived,
                *self._stage(entry, slots),
                _encode(slots),
                _encode(entry.state),
                entry.envelope,
                entry.trace,
            ),
        )

    def _update(self, entry: Entry, slots: tuple[Slot, ...]) -> None:
        self._db.execute(
            "UPDATE message SET stage=?, since=?, slots=?, state=?, trace=? WHERE key=?",
            (
                *self._stage(entry, slots),
                _encode(slots),
                _encode(entry.state),
                entry.trace,
                entry.key,
            ),
        )

    def _stage(self, entry: Entry, slots: tuple[Slot, ...]) -> tuple[int, int]:
        """The columns `stage` and `since`."""
        stage = Stage.OPEN if slots else stage_of(entry.state)
        return stage, entry.arrived if stage is Stage.OPEN else self.now

    def _slots(self, entry: Entry, offsets: Mapping[bytes, int]) -> tuple[Slot, ...]:
        wakes: dict[str, int] = {}
        for recipient in entry.state.recipients:
            if recipient.trials and (recipient.leased or recipient.final is not None):
                continue
            log = recipient.log
            wake = HELD if log.held else log.due + offsets.get(recipient.stamp.node, 0)
            queue = queue_of(log)
            known = wakes.get(queue)
            if known is None or wake < known:
                wakes[queue] = wake
        if not wakes:
            return ()
        lane = self._lanes.of(entry.key >> NUMBER_BITS, entry.state.seq).id
        return tuple([(lane, queue, wake) for queue, wake in wakes.items()])

    def _reschedule(self, entry: Entry, slots: tuple[Slot, ...]) -> None:
        for lane, domain, wake in entry.slots:
            if (lane, domain, wake) not in slots:
                self._db.execute(
                    "DELETE FROM schedule WHERE lane=? AND domain=? AND wake=? AND key=?",
                    (lane, domain, wake, entry.key),
                )
        for slot in slots:
            if slot not in entry.slots:
                self._db.execute(
                    "INSERT INTO schedule(lane, domain, wake, key) VALUES(?,?,?,?)",
                    (*slot, entry.key),
                )
                self.woken.append(slot)

    def _note_attempts(self, entry: Entry) -> None:
        before = _open_attempts(entry.stored) if entry.stored else frozenset()
        after = _open_attempts(entry.state)
        if before != after:
            for attempt in before - after:
                self._db.execute("DELETE FROM lease WHERE inc=? AND seq=?", self._row(attempt))
            for attempt in after - before:
                self._db.execute(
                    "INSERT OR IGNORE INTO lease(inc, seq, key) VALUES(?,?,?)",
                    (*self._row(attempt), entry.key),
                )
        for mailbox in _mailboxes(entry.state):
            self._db.execute(
                "INSERT OR IGNORE INTO mailbox(mailbox, arrived, key, size) VALUES(?,?,?,?)",
                (mailbox, entry.arrived, entry.key, entry.size),
            )

    def _count(self, entry: Entry) -> None:
        lane = self._lanes.of(entry.key >> NUMBER_BITS, entry.state.seq).id
        for state, sign in ((entry.stored, -1), (entry.state, 1)):
            if state is None:
                continue
            self._tally.add(lane, state, sign)
            for recipient in state.recipients:
                trials = recipient.trials
                only = trials[0] if len(trials) == 1 else None
                if trials and (only is None or only.stale or only.result is Result.DOUBT):
                    doubts = recipient.doubts
                    self.doubts += sign * doubts
                    self.duplicates += sign * (recipient.duplicates - doubts)

    def _row(self, attempt: Attempt) -> tuple[int, int]:
        return self._journal.incarnations[attempt.incarnation].idx, attempt.seq

    def move(self, before: int, after: int, low: int) -> None:
        """Move messages accepted after record `low` from one lane to another (after a cut)."""
        lane = self._lanes.get(after)
        first, end = lane.inc << NUMBER_BITS, (lane.inc + 1) << NUMBER_BITS
        found = rows(
            self._db,
            "SELECT key FROM message WHERE key>=? AND key<? AND seq>? AND seq<=? AND stage=?",
            (first, end, low, lane.high, Stage.OPEN),
        )
        for (key,) in list(found):
            entry = self.by_key(key)
            self._tally.add(before, entry.state, -1)
            self._tally.add(after, entry.state, 1)
            slots = tuple([(after, domain, wake) for _, domain, wake in entry.slots])
            self._db.execute("UPDATE message SET slots=? WHERE key=?", (_encode(slots), entry.key))
            self._reschedule(entry, slots)
            entry.slots = slots


def stage_of(state: MessageState) -> Stage:
    """Where a message stands as a whole."""
    if not state.finished:
        return Stage.OPEN
    return Stage.KEPT if _mailboxes(state) else Stage.ENDED


def _mailboxes(state: MessageState) -> set[str]:
    return {
        trial.mailbox
        for recipient in state.recipients
        for trial in recipient.trials
        if trial.mailbox is not None
    }


def _open_attempts(state: MessageState) -> frozenset[Attempt]:
    return frozenset(
        [
            trial.attempt
            for recipient in state.recipients
            for trial in recipient.trials
            if trial.result is Result.OPEN
        ]
    )
