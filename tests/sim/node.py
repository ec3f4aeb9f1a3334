"""A simulated node: the real engine on a simulated disk, driven by virtual time."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

import apsw
import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.replica.frames import Frame
from appliance.replica.pair import Mode, Pair, Timing
from appliance.spool.bodies import Bodies, Body
from appliance.spool.dump import dump
from appliance.spool.engine import Engine
from appliance.spool.operations import (
    Accept,
    Cancel,
    Done,
    Effect,
    Failed,
    Happened,
    ResetLink,
    Revoke,
    Send,
)
from appliance.spool.schema import open_writer
from appliance.spool.store import Store
from tests.sim.clock import Clock
from tests.sim.delivery import Delivery
from tests.sim.world import Network, Sink, Story
from tests.support.disk import Disk
from tests.support.disk_faults import PowerCut
from tests.support.disk_files import DiskFiles
from tests.support.disk_vfs import DiskVFS, abandon

INLINE = 200  # bytes: larger bodies are files
_encode = msgspec.msgpack.Encoder().encode


class Client:
    """A message that someone sends: what they were told decides what must hold."""

    def __init__(self, token: bytes, sender: str, recipients: list[str]) -> None:
        self.token, self.sender, self.recipients = token, sender, recipients
        self.queue_id = ""
        self.told: Mode | None = None


class Node:
    """One machine with its disk, its spool process and its delivery process."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        rng: Random,
        vfs: DiskVFS,
        network: Network,
        sink: Sink,
        story: Story,
        timing: Timing,
    ) -> None:
        self.name, self._clock, self._rng, self._vfs = name, clock, rng, vfs
        self._network, self._sink, self._story, self._timing = network, sink, story, timing
        self.id = name.encode().ljust(8, b"-")
        self.disk = Disk(f"{name}-{rng.getrandbits(32):x}", rng)
        self.disk.mount.sync_directory("")
        vfs.attach(self.disk)
        self.engine: Engine | None = None
        self.delivery: Delivery | None = None
        self._connection: apsw.Connection | None = None
        self._committing = False
        self.stalled_until = 0
        self.generation = 0
        self.on_crash: Callable[[Node], None] = lambda node: None
        network.ends[name] = (lambda: self.engine is not None, self._link_up, self._link_down)
        network.inlets[name] = (self._receive, lambda: self.stalled_until)

    # Life and death.

    def boot(self) -> None:
        """Start the spool; the delivery process too if it is not running."""
        if self.engine is not None:
            return
        self.generation += 1
        try:
            self._connection = open_writer(
                f"/{self.disk.name}/spool.db", vfs=self._vfs.name, exclusive=True
            )
            store = Store(self._connection, self.id, self._rng.randbytes(16), self._clock.now)
            bodies = Bodies(DiskFiles(self.disk, "content"))
            pair = Pair(self._timing, self._clock.now)
            self.engine = Engine(store, bodies, pair, self.name, self._clock.now)
            bodies.sweep(store.holds)
            self._bodies = bodies
            self._connection.pragma("wal_autocheckpoint", self._rng.choice([1, 10, 1000]))
        except PowerCut:
            self.power_cut()
            return
        self._committing = False
        self._story.tell(f"{self.name} boots")
        if self.delivery is None or not self.delivery.alive:
            self.delivery = Delivery(self._clock, self._rng, self._sink, self._content)
        generation, delivery = self.generation, self.delivery
        self._clock.after(self._rng.randint(1, 200), lambda: self._attach(generation, delivery))
        self._clock.after(5_000, lambda: self._keep_alive(generation))
        self._clock.after(0, self._network.consider)
        self._poke()

    def _attach(self, generation: int, delivery: Delivery) -> None:
        if generation == self.generation and self.engine and delivery.alive:
            delivery.renewed_at = self._clock.now
            delivery.connect(self.submit)

    def kill(self) -> None:
        """kill -9 of the spool process: what it wrote stays in the page cache."""
        self._story.tell(f"{self.name}: spool killed")
        self._stop()
        self.disk.kill()

    def kill_all(self) -> None:
        """kill -9 of everything on the node."""
        self.kill_delivery()
        self.kill()

    def kill_delivery(self) -> None:
        """kill -9 of the delivery process; it is restarted at once."""
        if self.delivery is None or not self.delivery.alive:
            return
        self._story.tell(f"{self.name}: delivery killed")
        self.on_crash(self)
        self.delivery.alive = False
        self.delivery.disconnect()
        self.delivery = Delivery(self._clock, self._rng, self._sink, self._content)
        generation, delivery = self.generation, self.delivery
        if self.engine:
            self._clock.after(self._rng.randint(1, 200), lambda: self._attach(generation, delivery))

    def power_cut(self) -> None:
        """The machine loses power: what was not synced is gone, or torn."""
        self._story.tell(f"{self.name}: power cut")
        self.on_crash(self)
        if self.delivery:
            self.delivery.alive = False
        self._stop()
        self.disk.power_cut()

    def _stop(self) -> None:
        self.generation += 1
        if self.delivery:
            self.delivery.disconnect()
        self.engine = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self.disk.mount.alive = False
            abandon(connection)
        self._network.drop()

    def stall(self, duration: int) -> None:
        """SIGSTOP for a while."""
        self._story.tell(f"{self.name}: stopped for {duration} ms")
        self.stalled_until = self._clock.now + duration
        self._clock.after(duration, self._poke)

    @property
    def up(self) -> bool:
        """True while the spool runs."""
        return self.engine is not None

    # The engine's driver.

    def submit(self, operation: object) -> None:
        """Hand an operation to the engine."""
        if self.engine:
            self.engine.submit(operation)  # type: ignore[arg-type]
            self._poke()

    def accept(self, client: Client) -> None:
        """A client sends a message; large bodies arrive in chunks."""
        assert self.engine is not None
        engine = self.engine
        client.queue_id = engine.new_queue_id()
        envelope = Envelope(client.sender, tuple(Recipient(r) for r in client.recipients))
        body = None
        if len(client.token) > INLINE:
            try:
                body = self._write_body(engine, client)
            except PowerCut:
                self.power_cut()
                return
        self.submit(
            Accept(
                ("client", client),
                client.queue_id,
                _encode(envelope),
                tuple(domain_key(r) for r in client.recipients),
                len(client.token),
                sha256(client.token).digest(),
                None if body else client.token,
                body,
            )
        )

    def _write_body(self, engine: Engine, client: Client) -> Body:
        body = self._bodies.create(client.queue_id)
        for offset in range(0, len(client.token), 100):
            chunk = client.token[offset : offset + 100]
            body.write(chunk)
            engine.body_chunk(client.queue_id, offset, chunk)
        self._heed()
        return body

    def _content(self, queue_id: str) -> bytes:
        assert self.engine is not None
        content = self.engine.store.content(queue_id)
        return self._bodies.read(queue_id, 0, 1 << 30) if content is None else content

    def _poke(self) -> None:
        generation = self.generation
        self._clock.after(0, lambda: self._step(generation))

    def _step(self, generation: int) -> None:
        if self.engine is None or generation != self.generation or self._committing:
            return
        if self._clock.now < self.stalled_until:
            return
        try:
            self.engine.tick(self._clock.now)
            changed = self.engine.busy(self._clock.now) and self.engine.turn(self._clock.now)
        except PowerCut:
            self.power_cut()
            return
        self._heed()
        if changed:
            self._committing = True
            self._clock.after(self._rng.randint(0, 4), lambda: self._commit(generation))
        elif self.engine.replication.behind:
            self._poke()
        else:
            self._set_timer(generation)

    def _commit(self, generation: int) -> None:
        if self.engine is None or generation != self.generation:
            return
        if self._clock.now < self.stalled_until:
            wait = self.stalled_until - self._clock.now
            self._clock.after(wait, lambda: self._commit(generation))
            return
        try:
            self.engine.commit()
        except PowerCut:
            self.power_cut()
            return
        self._committing = False
        self.engine.committed(self._clock.now)
        self._heed()
        self._poke()

    def _set_timer(self, generation: int) -> None:
        assert self.engine is not None
        due = self.engine.next_timer(self._clock.now)
        if due is not None:
            wait = max(1, due - self._clock.now)
            if wait <= 5_000:
                self._clock.after(wait, lambda: self._step(generation))

    def _keep_alive(self, generation: int) -> None:
        if self.engine is None or generation != self.generation:
            return
        if self._clock.now >= self.stalled_until:
            self.engine.keep_alive(self._clock.now)
            if self.delivery:
                self.delivery.renewed_at = self._clock.now
            self._step(generation)
            self._heed()
        self._clock.after(5_000, lambda: self._keep_alive(generation))

    def _heed(self) -> None:
        while self.engine and self.engine.effects:
            effects, self.engine.effects = self.engine.effects, []
            for effect in effects:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._network.send(self.name, effect.frame)
            case ResetLink():
                self._story.tell(f"{self.name}: link reset, {effect.reason}")
                self._network.drop()
            case Done():
                self._done(effect.token, effect.value)
            case Failed():
                self._story.tell(f"{self.name}: refused, {effect.error}")
            case Revoke():
                if self.delivery:
                    self.delivery.revoke(effect.attempts)
            case Happened():
                self._story.tell(f"{self.name}: {effect.event} {effect.fields}")

    def _done(self, token: object, value: object) -> None:
        match token:
            case ("client", client):
                assert self.engine is not None
                client.told = self.engine.pair.mode
                self._story.tell(f"{self.name}: 250 {client.queue_id} in {client.told}")
            case ("lease", delivery):
                if delivery is self.delivery and delivery.alive and delivery.submit:
                    delivery.leased(value)
                else:
                    self.submit(Cancel(value))  # type: ignore[arg-type]
            case ("report", delivery, batch):
                delivery.reported(batch)
            case ("present", delivery):
                if delivery is self.delivery and delivery.submit:
                    delivery.presented(value)

    def _receive(self, frame: Frame) -> None:
        if self.engine:
            self.engine.receive(frame, self._clock.now)
            self._heed()
            self._poke()

    def _link_up(self) -> None:
        if self.engine:
            self.engine.link_up(self._clock.now)
            self._heed()

    def _link_down(self) -> None:
        if self.engine:
            self.engine.link_down(self._clock.now)
            self._heed()
            self._poke()

    # What the oracle asks.

    def leases_open(self) -> int:
        """Recipients whose attempts are under way now."""
        if self.delivery is None:
            return 0
        return sum(len(lease.recipients) for lease in self.delivery.open.values())

    def dump(self) -> list[bytes]:
        """The canonical dump; the node is up."""
        assert self.engine is not None
        return dump(self.engine.store)

    def close(self) -> None:
        """Give back the connection."""
        if self._connection is not None:
            abandon(self._connection)
