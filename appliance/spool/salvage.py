"""Takes over what a dead node's disk still holds (rule 6), a little in each turn of the writer.

First the segments of its journal that this node lacks, as if the peer sent them. Then its
messages one by one, merged as from a snapshot: that journal may have gaps, because it was pruned
or is damaged. Nothing that is here is overwritten. What cannot be read is counted, told and
passed over; a better image of the disk, salvaged later, fills it in.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from appliance.replica import record as records
from appliance.replica.frames import Copy, SnapshotPart
from appliance.replica.message import MessageState
from appliance.replica.record import Accepted, Diverged, Segment
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion
from appliance.spool.bodies import Bodies
from appliance.spool.snapshot import merge_part
from appliance.spool.store import Damaged, Store
from appliance.spool.tables import MESSAGES, SEGMENTS
from appliance.spool.wreck import Wreck

BUDGET = 1 << 20
"""Bytes taken over in one turn; one message, or one segment, may be more."""
_ROW = 256
_RECORD = 2048
"""What a row passed over, and a record taken over, cost in time, as bytes."""
_TOLD = 20
Written = tuple[Segment, bytes, Mapping[str, bytes]]
_decode_state = msgspec.msgpack.Decoder(MessageState).decode


class SalvageReport(msgspec.Struct, kw_only=True):
    """What came of it; `problems` are the first of what could not be taken over.

    segments: of the journal, new here. messages: new here. merged: known here, of which more is
    known now. lost: messages whose content is gone or damaged. damaged: places on the disk, or
    rows, that could not be read.
    """

    node: str
    segments: int = 0
    messages: int = 0
    merged: int = 0
    lost: int = 0
    damaged: int = 0
    problems: list[str] = []


class Salvor:
    """Takes over `wreck`, a budget at a time; `step` runs inside the writer's transaction."""

    def __init__(self, wreck: Wreck, store: Store, bodies: Bodies) -> None:
        self._wreck = wreck
        self._store = store
        self._bodies = bodies
        self.report = SalvageReport(node=wreck.node.hex())
        self.finished = False
        self.incomplete = False
        """True if no journal reaches all that was taken over: the peer needs a snapshot."""
        self._known_there = {told.id: told.tip.seq for told in wreck.incarnations}
        self._broken: set[bytes] = set()
        self._running = 0
        self._spent = 0
        self._work = self._all()

    def step(self, running: int) -> list[Written]:
        """Some of the work; the segments it journalled. OSError if this disk cannot take it."""
        self._running, self._spent = running, 0
        written = []
        for found in self._work:
            if found is not None:
                written.append(found)
            if self._spent >= BUDGET:
                return written
        self.finished = True
        self.report.damaged += self._wreck.damaged
        return written

    def _all(self) -> Iterator[Written | None]:
        yield from self._segments()
        journal = self._store.journal
        held = journal.positions()
        self.incomplete = any(
            told.tip.seq > held.get(told.id, 0) for told in self._wreck.incarnations
        )
        yield from self._messages()

    # The journal.

    def _segments(self) -> Iterator[Written | None]:
        journal = self._store.journal
        for _, index, last, hash_, data in self._wreck.table(SEGMENTS):
            self._spent += _ROW
            known = journal.incarnations.get(self._wreck.indexes.get(index, b""))
            if known is None or known.tip.seq < last:
                yield from self._segment(hash_, data)
            else:
                yield None

    def _segment(self, hash_: bytes, data: bytes) -> Iterator[Written | None]:
        try:
            segment = records.decode(data)
        except (msgspec.DecodeError, TypeError) as error:
            self._damaged(f"a segment is no segment: {error}")
            return
        if records.mark(segment, data).hash != hash_ or segment.incarnation in self._broken:
            self._damaged(f"a segment of incarnation {segment.incarnation.hex()} is not usable")
            return
        contents, gone, lost = yield from self._contents(segment)
        try:
            taken = self._store.ingest(data, contents, self._running, gone | lost.keys())
        except (Diverged, LookupError) as error:
            self._broken.add(segment.incarnation)
            self._damaged(str(error))
            return
        if taken is None:
            return
        for seq, record in enumerate(segment.records, segment.first):
            if isinstance(record, Accepted) and record.queue_id in lost:
                reason = lost[record.queue_id]
                self._store.lose(record.queue_id, segment.incarnation, seq, reason)
        self.report.segments += 1
        self._spent += len(data) + _RECORD * len(segment.records)
        yield segment, data, contents

    def _contents(
        self, segment: Segment
    ) -> Generator[None, None, tuple[dict[str, bytes], set[str], dict[str, str]]]:
        """Content of the messages a segment accepts: inline, pruned there, and lost."""
        contents, gone, lost = dict[str, bytes](), set[str](), dict[str, str]()
        for record in segment.records:
            if not isinstance(record, Accepted) or self._store.holds(record.queue_id):
                continue
            if record.external:
                found = yield from self._body(record.queue_id, record.size, record.digest)
            else:
                content = self._wreck.content(record.queue_id, record.digest)
                found = content is not None
                if content is not None:
                    contents[record.queue_id] = content
                    self._spent += len(content)
            if found:
                self.report.messages += 1
            elif self._wreck.knows(record.queue_id):
                lost[record.queue_id] = self._lost(record.queue_id)
            else:
                gone.add(record.queue_id)
        return contents, gone, lost

    def _body(self, queue_id: str, size: int, digest: bytes) -> Generator[None, None, bool]:
        """Copy a large body, in several turns if need be; False if it is not what it was."""
        if self._bodies.durable(queue_id):
            return True
        body = self._bodies.create(queue_id)
        for piece in self._wreck.body(queue_id):
            body.write(piece)
            self._spent += len(piece)
            yield
        if body.size != size or body.digest != digest:
            body.discard()
            return False
        self._store.durable_first(body)
        return True

    # Its messages, where the journal has a gap.

    def _messages(self) -> Iterator[None]:
        store, journal = self._store, self._store.journal
        for told in self._wreck.incarnations:
            if told.id not in journal.incarnations:
                journal.introduce(told.id, told.node)
                store.ownership.nodes[told.id] = told.node
            # Before the messages: their due times are in that node's running time.
            store.clocks.heard(told.node, told.at, self._running)
        for row in self._wreck.table(MESSAGES):
            self._spent += _RECORD
            yield from self._message(row)
        if not self.incomplete:
            return
        for claim in self._wreck.claims():
            store.claim(claim)
        self._site()
        for told in self._wreck.incarnations:
            journal.jump(told.id, told.tip, told.at)
            journal.note_pruned(told.id, told.pruned)

    def _site(self) -> None:
        found: Iterator[SiteVersion | Register] = self._wreck.versions()
        for one in chain(found, self._wreck.registers()):
            try:
                self._store.site.merge(one)
            except ValueError as error:
                self._damaged(str(error))
        for record in self._wreck.carried():
            self._store.carry(record)

    def _message(self, row: Sequence[Any]) -> Iterator[None]:
        key, size, digest, external, arrived, packed, envelope = row
        store = self._store
        try:
            queue_id, state = self._wreck.queue_id(key), _decode_state(packed)
        except (LookupError, TypeError, msgspec.DecodeError) as error:
            self._damaged(f"a message cannot be read: {error}")
            return
        before = store.messages.get(queue_id).state if store.holds(queue_id) else None
        if before == state:
            yield
            return
        content = None
        if before is None and not self._past(state):
            if external:
                found = yield from self._body(queue_id, size, digest)
            else:
                content = self._wreck.content(queue_id, digest)
                found = content is not None
                self._spent += size
            if not found:
                self._store.lose(queue_id, state.incarnation, state.seq, self._lost(queue_id))
                return
        age = max(0, self._wreck.clock - arrived)
        copy = Copy(queue_id, size, digest, bool(external), age, packed, envelope, content)
        try:
            merge_part(store, SnapshotPart(self._known_there, (copy,)), self._running)
        except (Damaged, LookupError, ValueError) as error:
            self._damaged(f"{queue_id} cannot be merged: {error}")
            return
        if before is None:
            self.report.messages += store.holds(queue_id)
        else:
            self.report.merged += store.messages.get(queue_id).state != before
        yield

    def _past(self, state: MessageState) -> bool:
        """True if this node once had the message and pruned it."""
        known = self._store.journal.incarnations.get(state.incarnation)
        return known is not None and state.seq <= known.pruned

    def _lost(self, queue_id: str) -> str:
        self.report.lost += 1
        reason = f"the content of {queue_id} is gone or damaged on the salvaged disk"
        self._tell(reason)
        return reason

    def _damaged(self, what: str) -> None:
        self.report.damaged += 1
        self._tell(what)

    def _tell(self, what: str) -> None:
        if len(self.report.problems) < _TOLD:
            self.report.problems.append(what)
