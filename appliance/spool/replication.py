"""The link to the peer, sans I/O: what to send, what to take in, what the peer holds.

Segments are sent in journal order, so each arrives after those it was written in knowledge of.
*Live*, the peer was sent everything and gets each segment in the turn that wrote it, while the
local commit is still under way. Otherwise segments are read back from the journal, at most
`window` bytes ahead of the peer's acknowledgements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from hashlib import sha256

import msgspec

from appliance.replica import record as records
from appliance.replica.frames import (
    Ack,
    Batch,
    BodyChunk,
    Frame,
    Hello,
    SnapshotEnd,
)
from appliance.replica.position import Mark, covers, positions
from appliance.replica.record import Accepted, Diverged
from appliance.spool.bodies import Bodies
from appliance.spool.incoming import Broken, Incoming, check_own
from appliance.spool.journal import Stored
from appliance.spool.outgoing import body_frames
from appliance.spool.sizes import Sizes
from appliance.spool.snapshot import SnapshotReader
from appliance.spool.store import Store

_AT_ONCE = 8  # segments read from the journal at a time: they wait in memory for the link


class Replication:
    """One node's side of the link; a new connection calls `connect`, a lost one `disconnect`."""

    def __init__(self, store: Store, bodies: Bodies, name: str, sizes: Sizes) -> None:
        self._store = store
        self._bodies = bodies
        self._name = name
        self._sizes = sizes
        self.peer: Hello | None = None
        self.diverged = ""
        self.mode_of_peer = ""
        self.exposed_at_peer = 0
        self.peer_takes = True
        """False while the peer stands aside: then nothing can be handed over to it."""
        self.regressed = False
        """True if the peer, when it said hello, no longer held what it once acknowledged."""
        self.acked: dict[bytes, int] = {}
        self._unstored_acks = False
        self._incoming = Incoming(store, bodies)
        self._reset()

    def _reset(self) -> None:
        self._sent: dict[bytes, int] = {}
        self._cursor: int | None = None
        self._flight: deque[tuple[bytes, int, int]] = deque()
        self._in_flight = 0
        self._told: dict[bytes, int] = {}
        self._goal: tuple[dict[bytes, int], dict[bytes, int]] | None = None
        self._incoming.abandon()
        self._whole: set[str] = set()
        self._rotten: set[str] = set()
        self._streams: dict[str, int] = {}
        self._transfer: Iterator[Frame] | None = None
        self._reader: SnapshotReader | None = None

    @property
    def greeted(self) -> bool:
        """True once the peer has said hello on the present connection."""
        return self.peer is not None and not self.diverged

    @property
    def live(self) -> bool:
        """True while every new segment is sent as it is written."""
        return self.greeted and self._cursor == self._store.journal.head

    @property
    def at_head(self) -> bool:
        """True while the peer is behind by no more than what just went out."""
        return self.live and self._in_flight <= self._sizes.window // 4

    def connect(self, durable: Mapping[bytes, Mark], running: int, mode: str) -> Hello:
        """A connection is up: the hello to send."""
        self._told = positions(durable)
        return Hello(
            self._store.node,
            self._name,
            self._store.incarnation,
            dict(durable),
            self._store.ownership.claims,
            running,
            mode,
            records.KINDS,
        )

    def disconnect(self) -> None:
        """The connection is gone, and with it everything that was under way on it."""
        self.peer = None
        self._reset()

    def greet(self, hello: Hello, running: int) -> bool:
        """Take in the peer's hello, inside a transaction; see `regressed` for the answer.

        Raises Diverged, Broken.
        """
        store = self._store
        if self.peer is not None:
            raise Broken("the peer said hello twice")
        if hello.node == store.node:
            raise Broken("the peer has this node's own identity")
        if not hello.kinds >= records.BASE:
            raise Broken("the peer does not know the kinds of record that every release does")
        for incarnation, mark in hello.marks.items():
            mine = store.journal.hash_at(incarnation, mark.seq)
            if mine is not None and mine != mark.hash:
                self.diverged = (
                    f"record {mark.seq} of incarnation {incarnation.hex()} differs on the two nodes"
                )
                raise Diverged(self.diverged)
        try:
            check_own(store, hello.marks)
        except Diverged as error:
            self.diverged = str(error)
            raise
        self.diverged = ""
        self.peer = hello
        self.mode_of_peer, self.peer_takes = hello.mode, True
        store.peer_words.hear_name(hello.node, hello.name)
        store.peer_words.hear_kinds(hello.kinds)
        store.hear_clock(hello.node, hello.clock, running)
        store.fence(hello.claims)
        held = positions(hello.marks)
        self.regressed = any(
            held.get(known.id, 0) < known.shared for known in store.journal.incarnations.values()
        )
        self.acked, self._sent = dict(held), dict(held)
        store.journal.share({i: held.get(i, 0) for i in store.journal.incarnations})
        self._goal = (store.journal.positions(), held)
        self._cursor = store.journal.start_for(held)
        if self._cursor is None:
            # Single records it would carry; what they have come to is told in no other way.
            if missing := store.site.kinds - hello.kinds:
                raise Broken(
                    f"the peer's release does not know record kinds {sorted(missing)}, and it is"
                    " too far behind to be sent them one by one"
                )
            self._reader = SnapshotReader(store, self._bodies, self._sizes)
            self._transfer = self._reader.frames(running)
        return self.regressed

    def acknowledged(self, ack: Ack) -> bool:
        """Take in an acknowledgement; True if it was progress. Touches no disk."""
        progress = False
        for incarnation, seq in ack.positions.items():
            if seq > self.acked.get(incarnation, 0):
                self.acked[incarnation] = seq
                progress = self._unstored_acks = True
            if seq > self._sent.get(incarnation, 0):
                self._sent[incarnation] = seq
        while self._flight and self._flight[0][1] <= self.acked.get(self._flight[0][0], 0):
            self._in_flight -= self._flight.popleft()[2]
        self.mode_of_peer, self.exposed_at_peer = ack.mode, ack.exposed
        self.peer_takes = ack.takes
        return progress

    def store_acks(self) -> None:
        """Note what the peer holds, in the transaction of a turn."""
        if self._unstored_acks:
            self._store.journal.share(self.acked)
            self._unstored_acks = False

    def take_in(self, frame: Frame, running: int) -> None:
        """Take in a segment or body, inside a transaction.

        Raises Broken, Diverged, Damaged, OSError.
        """
        if self.peer is None:
            raise Broken("the peer did not say hello first")
        try:
            for incarnation, seq in self._incoming.take(frame, running).items():
                self._sent[incarnation] = max(self._sent.get(incarnation, 0), seq)
        except Diverged as error:
            self.diverged = str(error)
            raise
        except (LookupError, ValueError, msgspec.DecodeError) as error:
            raise Broken(f"a {type(frame).__name__} cannot be taken in: {error}") from error

    def take_chunk(self, chunk: BodyChunk) -> None:
        """See Incoming.take_chunk."""
        self._incoming.take_chunk(chunk)

    def pump(self, budget: int = 2) -> Iterator[Frame]:
        """Some of what is to be sent while catching up. Runs when no transaction is open."""
        journal = self._store.journal
        while budget > 0 and self.greeted and self._in_flight < self._sizes.window:
            if self._transfer is not None:
                budget -= 1
                frame = next(self._transfer, None)
                if frame is None:
                    self._transfer = None
                    continue
                yield frame
                if isinstance(frame, SnapshotEnd) and self._reader:
                    self._sent.update(self._reader.tips)
                    self._transfer = self._reader = None
                    self._cursor = 0
            elif self._cursor is None or self._cursor >= journal.head:
                return
            else:
                budget -= 1
                yield from self._from_journal(self._cursor)

    @property
    def sending_snapshot(self) -> bool:
        """True while a snapshot is being read: what it has begun to read must stay."""
        return self._reader is not None

    @property
    def behind(self) -> bool:
        """True if `pump` has more to send as soon as the link takes it."""
        if not self.greeted or self._in_flight >= self._sizes.window:
            return False
        return self._transfer is not None or (
            self._cursor is not None and self._cursor < self._store.journal.head
        )

    def _from_journal(self, cursor: int) -> Iterator[Frame]:
        found = False
        for stored in self._store.journal.read(cursor, _AT_ONCE):
            found = True
            if self._sent.get(stored.incarnation, 0) < stored.last:
                external, batch = self._read_back(stored)
                missing = {q: d for q, d in external.items() if q not in self._whole}
                if missing:
                    self._transfer = self._body_frames(missing)
                    self._cursor = stored.lsn
                    return
                self._sending(stored.incarnation, stored.last, batch)
                yield batch
            self._cursor = stored.lsn + 1
            if self._in_flight >= self._sizes.window:
                return
        if not found:
            self._cursor = self._store.journal.head  # a snapshot took the place of the rest

    def _read_back(self, stored: Stored) -> tuple[dict[str, bytes], Batch]:
        """A segment with its content, and the digests of the large bodies that go before it.

        What has rotted on this disk is said to be damaged, so that it holds up nothing else.
        """
        contents, external = dict[str, bytes](), dict[str, bytes]()
        gone, damaged = set[str](), set[str]()
        for record in records.decode(stored.data).records:
            if not isinstance(record, Accepted):
                continue
            queue_id = record.queue_id
            body = self._store.content(queue_id)
            if queue_id in self._rotten:
                damaged.add(queue_id)
            elif body is not None and sha256(body).digest() == record.digest:
                contents[queue_id] = body
            elif record.external and self._bodies.durable(queue_id):
                external[queue_id] = record.digest
            elif self._store.holds(queue_id):
                damaged.add(queue_id)
            else:
                gone.add(queue_id)
        return external, Batch(stored.data, contents, frozenset(gone), frozenset(damaged))

    def _body_frames(self, missing: Mapping[str, bytes]) -> Iterator[Frame]:
        for queue_id, digest in sorted(missing.items()):
            sound = yield from body_frames(self._bodies, queue_id, digest, self._sizes.chunk)
            (self._whole if sound else self._rotten).add(queue_id)

    def _sending(self, incarnation: bytes, last: int, batch: Batch) -> None:
        cost = len(batch.segment) + sum(map(len, batch.contents.values()))
        self._flight.append((incarnation, last, cost))
        self._in_flight += cost
        self._sent[incarnation] = last

    def send_live(
        self, written: list[tuple[records.Segment, bytes, Mapping[str, bytes]]], before: int
    ) -> Iterator[Frame]:
        """What this turn wrote, for a peer that was at `before`, the head when the turn began.

        A peer that lags too far behind is served from the journal instead.
        """
        if not self.greeted or self._cursor != before:
            return
        if self._in_flight >= self._sizes.window:
            return
        for segment, data, contents in written:
            external = {
                r.queue_id for r in segment.records if isinstance(r, Accepted) and r.external
            }
            if external - self._whole:
                return
            batch = Batch(data, dict(contents))
            self._sending(segment.incarnation, segment.last, batch)
            yield batch
        self._cursor = self._store.journal.head

    def body_chunk(self, queue_id: str, offset: int, data: bytes) -> Frame | None:
        """A chunk of a body that is arriving now, if the peer is to get it at once."""
        if offset == 0 and self.live:
            self._streams[queue_id] = 0
        if self._streams.get(queue_id) != offset:
            return None
        self._streams[queue_id] += len(data)
        return BodyChunk(queue_id, offset, data)

    def body_complete(self, queue_id: str, size: int) -> None:
        """A body has arrived; if all of it went to the peer, its segment can follow."""
        if self._streams.pop(queue_id, None) == size:
            self._whole.add(queue_id)

    def ack(
        self, durable: Mapping[bytes, Mark], running: int, mode: str, exposed: int, takes: bool
    ) -> Ack:
        """What became durable here since the last one."""
        self._incoming.discard_needless()
        news = {i: m.seq for i, m in durable.items() if m.seq != self._told.get(i)}
        self._told.update(news)
        return Ack(news, running, mode, exposed, takes)

    def caught_up(self, durable: Mapping[bytes, Mark]) -> bool:
        """True once both nodes hold durably what the other had when they met."""
        if self._goal is None or not self.greeted:
            return False
        mine, theirs = self._goal
        return covers(self.acked, mine) and covers(positions(durable), theirs)
