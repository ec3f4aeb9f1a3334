"""The engine of a node: group commit on two nodes at once, leases, the modes of the pair.

Synchronous, without clock, sockets or threads. The service and the simulation drive it alike:

    submit(...), receive(...)   any time
    turn(now)                   while no commit is under way; True if there is one to do
    commit()                    blocks until durable; may run in another thread
    committed(now)              after it
    effects                     what the driver is to do, in order

Commit point of a message: its record is durable in both journals (in one, unless the mode is
paired). `Done` for an Accept comes only then. Records travel to the peer while the local commit is
under way; whichever is later decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from appliance.mail.queue_id import QueueId, queue_id, tag
from appliance.mail.work import Result
from appliance.replica import pair as modes
from appliance.replica.frames import Ack, Answer, Ask, BodyChunk, Frame, Hello
from appliance.replica.pair import Mode, Pair
from appliance.replica.position import Mark
from appliance.replica.record import Diverged
from appliance.spool.bodies import Bodies
from appliance.spool.claims import Claims
from appliance.spool.clerk import Clerk
from appliance.spool.desk import Desk
from appliance.spool.handover import Handover
from appliance.spool.incoming import Broken
from appliance.spool.leasing import Leasing
from appliance.spool.operations import (
    Done,
    Effect,
    Happened,
    Operation,
    ResetLink,
    Send,
    SiteChanged,
)
from appliance.spool.owner import Owner
from appliance.spool.replication import Replication
from appliance.spool.retention import reusable
from appliance.spool.sizes import USUAL, Sizes
from appliance.spool.store import Damaged, Store
from appliance.spool.waiting import Waiting
from appliance.spool.writer import Writer

_TURN_FRAMES = 64
_SAVE_CLOCK = 60_000
"""Milliseconds of running time that a crash may cost: a node at rest commits so often."""


class Engine:
    """One node's spool at work; `now` is milliseconds of a monotonic clock everywhere."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        pair: Pair,
        name: str,
        now: int,
        sizes: Sizes = USUAL,
    ) -> None:
        self.store = store
        self.pair = pair
        self.replication = Replication(store, bodies, name, sizes)
        self._bodies = bodies
        self._keep = sizes.keep
        self.effects: list[Effect] = []
        self.on_trial = False
        """True while the data may go back to what it was before an update, and with it all that
        is on this node only: so nothing is answered, and no body removed, that the peer could not
        make good."""
        self.room = True
        """False while the link takes nothing more: what is read for it would pile up."""
        self._tag = tag(store.incarnation)
        self._number = 0
        self.reusable = 0
        """Bytes in the database that serve new mail though the file does not get shorter."""
        self._owner = Owner(store, self.new_queue_id)
        self._inbox: deque[Frame] = deque()
        self._waiting = Waiting()
        self._writer = Writer(store, self._waiting)
        self._answers: list[Done | Send] = []
        self._desk = Desk(store, self._owner, self.replication, pair, self._writer.write)
        self._leasing = Leasing(store, self._owner, pair, self._writer.write)
        self._claims = Claims(store, self._leasing, self._writer.wrote)
        self._handover = Handover(store, pair, self.replication, self._leasing)
        self._clerk = Clerk(
            store,
            bodies,
            self._owner,
            self.replication,
            pair,
            self._leasing,
            self._claims,
            self._handover,
            self._desk,
            self._writer,
        )
        self._save_clock_at = now + _SAVE_CLOCK
        self._old_exposed = store.exposed()
        store.begin()
        store.start(store.running(now))
        store.flush(store.running(now))
        store.commit()
        self.durable: dict[bytes, Mark] = store.journal.marks()

    # Any time.

    def new_queue_id(self) -> QueueId:
        """A queue id that no other node, and no other start of this one, can make."""
        self._number += 1
        return queue_id(self._tag, self._number)

    def submit(self, operation: Operation) -> None:
        """Ask for something; the answer comes as Done or Failed."""
        self._clerk.submit(operation)
        self._heed_clerk()

    def link_up(self, now: int) -> None:
        """A connection to the peer is there."""
        self.link_down(now)
        hello = self.replication.connect(self.durable, self.store.running(now), self.pair.mode)
        self.effects.append(Send(hello))

    def link_down(self, now: int) -> None:
        """The connection is gone."""
        self.replication.disconnect()
        self._inbox.clear()
        self._waiting.link_down()
        self._answers = [answer for answer in self._answers if isinstance(answer, Done)]
        self.effects.extend(self._desk.link_down())
        self._heed(self.pair.link_down(now), now)

    def receive(self, frame: Frame, now: int) -> None:
        """A frame from the peer."""
        if isinstance(frame, Ack) and self.replication.greeted:
            self._acknowledged(frame, now)
        elif isinstance(frame, BodyChunk) and self._take_at_once():
            self._take_chunk(frame)
        else:
            self._inbox.append(frame)

    def _acknowledged(self, ack: Ack, now: int) -> None:
        """Not before the peer's hello is taken in, which says what it held when it was sent."""
        if self.replication.acknowledged(ack):
            self.pair.progress(now)
        self._settle(now)

    def _take_at_once(self) -> bool:
        """Chunks don't wait for a turn: a large body must not pile up in memory.

        Those that came while the peer's hello still waited do, and what follows them.
        """
        late = any(isinstance(frame, BodyChunk) for frame in self._inbox)
        return self.replication.greeted and not late

    def _take_chunk(self, chunk: BodyChunk) -> None:
        try:
            self.replication.take_chunk(chunk)
        except (Broken, OSError) as error:
            self._refuse_link(str(error))

    def body_chunk(self, queue_id: str, offset: int, data: bytes) -> None:
        """Part of a large body arrived and was written here: the peer gets it too."""
        frame = self.replication.body_chunk(queue_id, offset, data)
        if frame is not None:
            self.effects.append(Send(frame))

    def tick(self, now: int) -> None:
        """Time has passed."""
        self.pair.outstanding(now, bool(self._waiting))
        self._heed(self.pair.tick(now), now)

    def keep_alive(self, now: int) -> None:
        """Tell the peer that this node is alive (about once a second)."""
        if self.replication.greeted:
            self._acknowledge(now)

    def heartbeat(self, alive: bool | None, now: int, serves: bool = True) -> None:
        """See `Pair.heartbeat`."""
        self._heed(self.pair.heartbeat(alive, now, serves), now)

    def end_trial(self, now: int) -> None:
        """The release stays."""
        self.on_trial = False
        self._settle(now)

    @property
    def results(self) -> Mapping[Result, int]:
        """How many recipients' attempts came to which end since this start."""
        return self._clerk.results

    @property
    def exposed(self) -> int:
        """Messages durable on this node only."""
        return self._old_exposed + self._waiting.exposed

    def busy(self, now: int) -> bool:
        """True if a turn would find something to do."""
        if self._clerk.busy or self._inbox or self._claims:
            return True
        if self.replication.behind and self.room:
            return True
        times = (self._handover.next_timer(now), self._save_clock_at)
        return any(t is not None and t <= now for t in times) or self._leasing.busy(
            self.store.running(now)
        )

    def next_timer(self, now: int) -> int | None:
        """When `tick` or a turn is due next though nothing comes in."""
        wake = self._leasing.next_wake()
        times = [
            self.pair.next_timer(now),
            self._handover.next_timer(now),
            self._save_clock_at,
            now if self._clerk.busy else None,
            None if wake is None else wake - self.store.running(0),
        ]
        return min((t for t in times if t is not None), default=None)

    # One turn: everything that waits becomes one transaction.

    def turn(self, now: int) -> bool:
        """Do what waits; True if `commit` and `committed` must follow."""
        running = self.store.running(now)
        if self.room:
            self.effects.extend(Send(frame) for frame in self.replication.pump())
        before = self.store.journal.head
        self.store.begin()
        self._hand_over(now, running)
        self._take_in(now, running)
        self.effects.extend(self._claims.write(running))
        self._leasing.write_off_stale(running)
        self._clerk.work(now, running)
        self._heed_clerk()
        if leased := self._leasing.lease(running):
            self._answers.append(leased)
        if not self.store.changed and now < self._save_clock_at:
            self.store.rollback()
            if self._answers:  # what they tell of is durable already
                self.committed(now)
            return False
        self.replication.store_acks()
        self.store.journal.prune(self._keep, shared=not self.pair.alone)
        self.store.flush(running)
        self._save_clock_at = now + _SAVE_CLOCK
        self.effects.extend(
            Send(frame) for frame in self.replication.send_live(self._writer.written, before)
        )
        return True

    def commit(self) -> None:
        """See Store.commit. A crash before the bodies are gone leaves them to the next start."""
        self.store.commit()
        self.reusable = reusable(self.store.connection)
        if not self.on_trial:
            self._bodies.remove(self.store.pruning.dropped)
            self.store.pruning.dropped.clear()

    def committed(self, now: int) -> None:
        """The turn's transaction is durable here."""
        self.durable = self.store.journal.marks()
        if self._clerk.salvaged:
            self._clerk.salvaged = False
            self._count_exposed()
        last = self.durable[self.store.incarnation].seq
        for answer in self._answers:
            self._waiting.add(last, answer)
        self._answers.clear()
        self._writer.written.clear()
        self._handover.wrote()
        if changed := self.store.site.take_changes():
            self.effects.append(SiteChanged(changed))
        self.keep_alive(now)
        self._settle(now)

    def _acknowledge(self, now: int) -> None:
        running, mode = self.store.running(now), self.pair.mode
        takes = not self._handover.aside
        ack = self.replication.ack(self.durable, running, mode, self.exposed, takes)
        self.effects.append(Send(ack))

    def _count_exposed(self) -> None:
        self._old_exposed = max(0, self.store.exposed() - self._waiting.exposed)

    def _settle(self, now: int) -> None:
        """Give the answers that durability allows; notice that the nodes have caught up."""
        own = self.store.incarnation
        tip = self.durable[own].seq
        shared = self.replication.acked.get(own, 0)
        both = self.pair.mode is Mode.PAIRED or self.on_trial
        self.effects.extend(self._waiting.release(tip, shared, both))
        if self.replication.caught_up(self.durable):
            self._old_exposed = 0
            if not self.replication.at_head:
                self.pair.lagging(now)
            self._heed(self.pair.caught_up(now), now)
        self.tick(now)

    def _heed(self, effects: Sequence[modes.Effect], now: int) -> None:
        for effect in effects:
            match effect:
                case modes.Effect.MODE_CHANGED:
                    self._happened("mode", mode=self.pair.mode, exposed=self.exposed)
                    if self.pair.mode is not Mode.PAIRED:
                        self._settle(now)
                case modes.Effect.SYNCED:
                    self._leasing.synced()
                    self._settle_doubts()
                case modes.Effect.RESET_LINK:
                    self.effects.append(ResetLink("no progress"))
                case modes.Effect.ADOPT:
                    self._claims.adopt()
                case modes.Effect.TAKE_OVER:
                    self._claims.take_over()

    def _settle_doubts(self) -> None:
        """What was adopted in doubt is so no longer, once the former owner has told all it did.

        A peer that lost its disk cannot tell, nor can one that took the place of another.
        """
        peer, nodes = self.replication.peer, set(self.store.ownership.nodes.values())
        if peer and not self.replication.regressed and nodes <= {self.store.node, peer.node}:
            self.store.ownership.settled = self.store.epoch

    def _take_in(self, now: int, running: int) -> None:
        for _ in range(min(len(self._inbox), _TURN_FRAMES)):
            frame = self._inbox.popleft()
            try:
                self._take_in_one(frame, now, running)
            except (Broken, Diverged, Damaged, OSError) as error:
                self._refuse_link(str(error))
                return

    def _refuse_link(self, reason: str) -> None:
        self._inbox.clear()
        self._happened("replication_refused", reason=reason)
        self.effects.append(ResetLink(reason))

    def _take_in_one(self, frame: Frame, now: int, running: int) -> None:
        match frame:
            case Hello():
                regressed = self.replication.greet(frame, running)
                self._claims.peer_is_back()
                self._count_exposed()
                self.effects.extend(self._leasing.ownership_changed())
                self._heed(self.pair.link_up(now, regressed), now)
                if self._owner.orphans(frame.node):
                    self._claims.adopt()
            case Ask():
                self._answers.append(self._desk.asked(frame, running))
            case Answer():
                self.effects.extend(self._desk.answered(frame))
            case Ack():
                self._acknowledged(frame, now)
            case _:
                claims = self.store.ownership.claims
                self.replication.take_in(frame, running)
                if self.store.ownership.claims != claims:
                    self.effects.extend(self._leasing.ownership_changed())

    def _heed_clerk(self) -> None:
        self.effects.extend(self._clerk.said)
        self._answers.extend(self._clerk.answers)
        self._clerk.said.clear()
        self._clerk.answers.clear()

    def _hand_over(self, now: int, running: int) -> None:
        peer, said = self._handover.step(now, running)
        self.effects.extend(said)
        if peer is not None:
            self._claims.hand_over(peer)
            self.effects.extend(self._claims.write(running))
            if done := self._handover.taken(now):
                self._answers.append(done)

    def _happened(self, event: str, **fields: object) -> None:
        self.effects.append(Happened(event, fields))
