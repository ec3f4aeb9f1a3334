"""A new spool from a backup: every message as it was, and held (rule 1).

The node is a new one that owns all of it. Whether its messages went out after the backup was
made nobody here knows, so an operator releases them, or removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from appliance.replica import commands
from appliance.replica.frames import (
    Batch,
    BodyChunk,
    Copy,
    Frame,
    SnapshotBegin,
    SnapshotEnd,
    SnapshotPart,
)
from appliance.replica.message import MessageState
from appliance.replica.record import Accepted, Record
from appliance.spool.bodies import Bodies, Body
from appliance.spool.owner import Owner
from appliance.spool.snapshot import add_copy
from appliance.spool.store import DAMAGED_THERE, Damaged, Store

_BUDGET = 4 << 20
"""Bytes of frames in one transaction."""
_HELD = 256
"""Messages that are held by one segment."""


class Inconsistent(Exception):
    """The frames are not what a spool was copied to."""


class RestoreReport(msgspec.Struct, kw_only=True):
    """What came of it. held: messages that wait for an operator. lost: without content."""

    messages: int = 0
    held: int = 0
    lost: int = 0


class Restorer:
    """Fills an empty store, that of a new node; `running` is its running time."""

    def __init__(self, store: Store, bodies: Bodies, running: int) -> None:
        self.report = RestoreReport()
        self._store = store
        self._bodies = bodies
        self._running = running
        self._open: dict[str, Body] = {}
        self._head: SnapshotBegin | None = None

    def restore(self, frames: Iterator[Frame], told: Callable[[int], None]) -> RestoreReport:
        """Take everything in; `told` hears how many messages are. Raises Inconsistent, OSError."""
        with self._turn():
            self._store.start(self._running)
        ended = False
        while not ended:
            with self._turn():
                ended = self._some(frames)
            told(self.report.messages)
        with self._turn():
            self._own()
        self._hold()
        for body in self._open.values():
            body.discard()  # its message was pruned while it was copied
        return self.report

    @contextmanager
    def _turn(self) -> Iterator[None]:
        store = self._store
        store.begin()
        yield
        store.flush(self._running)
        store.commit()

    def _some(self, frames: Iterator[Frame]) -> bool:
        """As much as fits into a transaction; True after the end."""
        spent = 0
        for frame in frames:
            try:
                spent += self._take(frame)
            except (Damaged, LookupError, ValueError, msgspec.DecodeError) as error:
                raise Inconsistent(str(error)) from error
            if isinstance(frame, SnapshotEnd):
                return True
            if spent >= _BUDGET:
                return False
        raise Inconsistent("it has no end")

    def _take(self, frame: Frame) -> int:
        match frame:
            case SnapshotBegin():
                self._begin(frame)
            case BodyChunk():
                self._chunk(frame)
                return len(frame.data)
            case SnapshotPart():
                for version in frame.versions:
                    self._store.site.merge(version)
                for register in frame.registers:
                    self._store.site.merge(register)
                for one in frame.carried:
                    self._store.carry(one)
                return sum([self._copy(copy) for copy in frame.copies])
            case Batch():
                return self._batch(frame)
            case SnapshotEnd():
                return 0
            case _:
                raise Inconsistent(f"{type(frame).__name__} has no place here")
        return 0

    def _begin(self, head: SnapshotBegin) -> None:
        self._head = head
        store, journal = self._store, self._store.journal
        for told in head.incarnations:
            journal.introduce(told.id, told.node)
            store.ownership.nodes[told.id] = told.node
            store.clocks.heard(told.node, told.at, self._running)
            journal.jump(told.id, told.tip, told.at)
        for claim in head.claims:
            store.claim(claim)

    def _chunk(self, chunk: BodyChunk) -> None:
        if chunk.offset == 0:
            self._open[chunk.queue_id] = self._bodies.create(chunk.queue_id)
        self._open[chunk.queue_id].write(chunk.data)

    def _body(self, queue_id: str, size: int, digest: bytes, *, sound: bool) -> None:
        """The body that came ahead of its message becomes durable with it."""
        body = self._open.pop(queue_id, None)
        if body is None:
            if sound and size:
                raise Damaged(f"{queue_id} came without content")
            body = self._bodies.create(queue_id)
        if not sound:
            body.discard()
        elif (body.size, body.digest) != (size, digest):
            raise Damaged(f"content of {queue_id} does not match its digest")
        else:
            self._store.durable_first(body)

    def _copy(self, copy: Copy) -> int:
        if copy.external:
            self._body(copy.queue_id, copy.size, copy.digest, sound=not copy.damaged)
        # The journal that came ahead of it may speak of it: what it said is in the copy, too.
        add_copy(self._store, copy, self._running)
        self.report.lost += copy.damaged
        self.report.messages += not copy.damaged
        return len(copy.state) + len(copy.envelope) + len(copy.content or b"")

    def _batch(self, batch: Batch) -> int:
        missing = batch.gone | batch.damaged
        segment = self._store.ingest(batch.segment, batch.contents, self._running, missing)
        if segment is None:
            return 0
        for seq, record in enumerate(segment.records, segment.first):
            if not isinstance(record, Accepted):
                continue
            sound = record.queue_id not in missing
            if record.external:
                self._body(record.queue_id, record.size, record.digest, sound=sound)
            if record.queue_id in batch.damaged:
                self.report.lost += 1
                self._store.lose(record.queue_id, segment.incarnation, seq, DAMAGED_THERE)
            self.report.messages += sound
        return len(batch.segment) + sum(map(len, batch.contents.values()))

    def _own(self) -> None:
        """All of it is this node's; what was under way is in doubt."""
        store = self._store
        if self._head is None:
            raise Inconsistent("it has no beginning")
        for told in self._head.incarnations:
            store.journal.note_pruned(told.id, told.pruned)
        store.write_claim(store.node, "restored", True, self._running)
        store.flush(self._running)
        offs = Owner(store, _makes_none).write_offs(lambda attempt: False)
        if offs:
            store.write(offs, {}, self._running)

    def _hold(self) -> None:
        after = 0
        while entries := list(self._store.messages.after(after, _HELD)):
            after = entries[-1].key
            found = [commands.hold(one.queue_id, one.state, None) for one in entries]
            records: list[Record] = [one for one in found if one is not None]
            if records:
                with self._turn():
                    self._store.write(records, {}, self._running)
            self.report.held += sum(_waits(one.state) for one in entries)


def _waits(state: MessageState) -> bool:
    return any(recipient.final is None for recipient in state.recipients)


def _makes_none() -> str:
    raise AssertionError("a restored node makes no message of its own yet")
