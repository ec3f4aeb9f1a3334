"""What comes from the peer: segments, large bodies, snapshots; into the transaction of a turn."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.replica import record as records
from appliance.replica.frames import (
    Batch,
    BodyChunk,
    Copy,
    Frame,
    SnapshotBegin,
    SnapshotEnd,
    SnapshotPart,
)
from appliance.replica.position import Mark
from appliance.replica.record import Accepted, Diverged
from appliance.spool.bodies import Bodies, Body
from appliance.spool.messages import key_of
from appliance.spool.snapshot import merge_part
from appliance.spool.store import DAMAGED_THERE, Damaged, Store


class Broken(Exception):
    """The peer broke the protocol: the connection must be closed and made anew."""


def check_own(store: Store, marks: Mapping[bytes, Mark]) -> None:
    """Only this node writes its present incarnation; raises Diverged if the peer holds more."""
    tip, mark = store.journal.tip(store.incarnation), marks.get(store.incarnation)
    if mark is not None and (tip is None or mark.seq > tip.seq):
        raise Diverged("the peer holds records of this start that were not written by it")


class Incoming:
    """What is under way on one connection; `abandon` when that is lost."""

    def __init__(self, store: Store, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies
        self._under_way: dict[str, Body] = {}
        self._snapshot: SnapshotBegin | None = None
        self._present: set[int] = set()

    def abandon(self) -> None:
        """Nothing more comes of what was under way."""
        for body in self._under_way.values():
            body.discard()
        self._under_way.clear()
        self._snapshot = None
        self._present.clear()

    def take(self, frame: Frame, running: int) -> Mapping[bytes, int]:
        """A segment, a body or a part of a snapshot: the positions that the peer showed to hold.

        Inside a transaction. Raises Broken, Diverged, Damaged, OSError, LookupError, ValueError.
        """
        match frame:
            case Batch():
                return self._take_batch(frame, running)
            case BodyChunk():
                self.take_chunk(frame)
            case SnapshotBegin():
                self._begin_snapshot(frame, running)
            case SnapshotPart():
                self._take_part(frame, running)
            case SnapshotEnd():
                return self._end_snapshot()
        return {}

    def _take_batch(self, frame: Batch, running: int) -> Mapping[bytes, int]:
        segment = records.decode(frame.segment)
        absent = frame.gone | frame.damaged
        for record in segment.records:
            if isinstance(record, Accepted) and record.external:
                if record.queue_id not in absent:
                    self._finish_body(record)
        for queue_id in frame.damaged:
            self._discard(queue_id)
        if self._store.ingest(frame.segment, frame.contents, running, absent) is None:
            return {}
        for seq, record in enumerate(segment.records, segment.first):
            if isinstance(record, Accepted) and record.queue_id in frame.damaged:
                self._store.lose(record.queue_id, segment.incarnation, seq, DAMAGED_THERE)
        return {segment.incarnation: segment.last}

    def take_chunk(self, chunk: BodyChunk) -> None:
        """Write part of a large body; raises Broken, OSError."""
        if self._bodies.durable(chunk.queue_id):
            self._discard(chunk.queue_id)
            return  # the peer has not heard yet that it is here
        if chunk.offset == 0:
            self._discard(chunk.queue_id)
            try:
                self._under_way[chunk.queue_id] = self._bodies.create(chunk.queue_id)
            except ValueError as error:
                raise Broken(str(error)) from error
        body = self._under_way.get(chunk.queue_id)
        if body is None or body.size != chunk.offset:
            raise Broken(f"a chunk of {chunk.queue_id} is out of order")
        body.write(chunk.data)

    def _discard(self, queue_id: str) -> None:
        body = self._under_way.pop(queue_id, None)
        if body is not None:
            body.discard()

    def discard_needless(self) -> None:
        """A body that came again while the commit of its message was under way."""
        for queue_id in [one for one in self._under_way if self._bodies.durable(one)]:
            self._discard(queue_id)

    def _finish_body(self, record: Accepted | Copy) -> None:
        if self._bodies.durable(record.queue_id):
            self._discard(record.queue_id)
            return
        body = self._under_way.pop(record.queue_id, None)
        if body is None:
            raise Broken(f"the body of {record.queue_id} did not come before its record")
        if body.size != record.size or body.digest != record.digest:
            body.discard()
            raise Damaged(f"body of {record.queue_id} does not match its digest")
        self._store.durable_first(body)

    def _take_part(self, part: SnapshotPart, running: int) -> None:
        for copy in part.copies:
            if copy.damaged:
                self._discard(copy.queue_id)
            elif copy.external:
                self._finish_body(copy)
            self._present.add(key_of(copy.queue_id, self._store.journal))
        merge_part(self._store, part, running)

    def _begin_snapshot(self, begin: SnapshotBegin, running: int) -> None:
        check_own(self._store, {told.id: told.tip for told in begin.incarnations})
        journal = self._store.journal
        for told in begin.incarnations:
            if told.id not in journal.incarnations:
                journal.introduce(told.id, told.node)
                self._store.ownership.nodes[told.id] = told.node
            # Before the messages: their due times are in that node's running time.
            self._store.clocks.heard(told.node, told.at, running)
        self._snapshot = begin
        self._present = {key_of(queue_id, journal) for queue_id in begin.damaged}

    def _end_snapshot(self) -> Mapping[bytes, int]:
        begin, self._snapshot = self._snapshot, None
        if begin is None:
            raise Broken("a snapshot ended that had not begun")
        for claim in begin.claims:
            self._store.claim(claim)
        for told in begin.incarnations:
            self._store.prune_absent(told.id, told.pruned, self._present)
            self._store.journal.jump(told.id, told.tip, told.at)
        self._present.clear()
        return {told.id: told.tip.seq for told in begin.incarnations}
