"""A simulated node: a machine with its disk, and the starts of its spool and delivery."""

from __future__ import annotations

import apsw

from appliance.failover.advertisement import PairMode
from appliance.replica.frames import Frame
from appliance.replica.pair import Mode, Pair
from appliance.spool.bodies import Bodies
from appliance.spool.engine import Engine
from appliance.spool.messages import Entry
from appliance.spool.operations import (
    HandOver,
    Happened,
    Operation,
    Present,
    Revoke,
    StandAside,
    Sweep,
)
from appliance.spool.schema import open_writer
from appliance.spool.store import Store
from tests.sim.client import Client, Sending
from tests.sim.clock import Monotonic
from tests.sim.delivery import Delivery, Then
from tests.sim.failover import MAIL_TIMEOUT, FailoverProcess
from tests.sim.process import SpoolProcess
from tests.sim.world import World
from tests.support.disk import Disk, Image
from tests.support.disk_faults import PowerCut
from tests.support.disk_files import DiskFiles
from tests.support.disk_vfs import abandon

DELIVERY_PATIENCE = 10_000
SHUTDOWN = 300  # milliseconds, for what a stop in order takes


class Node:
    """One machine."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self._world = name, world
        self._clock, self._rng, self._story = world.clock, world.rng, world.story
        self.disk = Disk(f"{name}-{self._rng.getrandbits(32):x}", self._rng)
        self.disk.mount.sync_directory("")
        world.vfs.attach(self.disk)
        self.identity = 0
        self.delivery: Delivery | None = None
        self.process: SpoolProcess | None = None
        self.died_in: Mode | None = None
        """The mode of the last spool that ended."""
        self.stopped_until = self.paused_until = 0
        self._stopped_at = 0
        self._aside = False
        self.failover: FailoverProcess | None = None
        self._link_lost = False
        self._connection: apsw.Connection | None = None
        self._age = self._rng.choice([0, 0, 10**9, 10**11])
        self._monotonic = self._new_monotonic()
        world.network.ends[name] = self

    def _new_monotonic(self) -> Monotonic:
        rng = self._rng
        return Monotonic(self._clock, rng.randint(0, 10**8), rng.choice([1000, 1000, 990, 1010]))

    @property
    def id(self) -> bytes:
        """The node's identity: its name, and which machine of that name it is."""
        return f"{self.name}{self.identity}".encode().ljust(8, b"-")

    @property
    def up(self) -> bool:
        """True while the spool runs."""
        return self.process is not None

    @property
    def answers(self) -> bool:
        """True while the spool runs and is not stopped."""
        return self.up and self._clock.now >= self.stopped_until

    @property
    def powered(self) -> bool:
        """True while the machine runs."""
        return self.delivery is not None and self._clock.now >= self.paused_until

    @property
    def engine(self) -> Engine:
        """The engine of the running spool."""
        assert self.process is not None
        return self.process.engine

    # Life and death.

    def boot(self) -> None:
        """Start the spool; the delivery process too if it is not running."""
        if self.process is not None:
            return
        try:
            engine = self._start()
        except (PowerCut, OSError, apsw.Error) as error:
            self.died(error)
            return
        self._story.tell(f"{self.name} boots")
        self.process = SpoolProcess(self._clock, self._monotonic, self._rng, engine, self)
        if self.delivery is None:
            self.delivery = self._new_delivery()
        self._attach_soon()
        self._world.network.consider()
        self._aside = False
        if self.failover is not None:
            self.failover.start()
            self.failover.look()

    def _start(self) -> Engine:
        self._connection = connection = open_writer(
            f"/{self.disk.name}/spool.db", vfs=self._world.vfs.name, exclusive=True
        )
        if self._age:  # this machine has been running for years
            connection.execute("INSERT INTO meta(name, value) VALUES('clock', ?)", (self._age,))
            self._age = 0
        connection.pragma("wal_autocheckpoint", self._rng.choice([1, 10, 1000]))
        now = self._monotonic()
        store = Store(connection, self.id, self._rng.randbytes(16), now)
        drop = store.messages.drop

        def watched(entry: Entry) -> None:
            self._world.on_drop(self, entry)
            drop(entry)

        setattr(store.messages, "drop", watched)  # noqa: B010 -- mypy allows no other way
        self.bodies = Bodies(DiskFiles(self.disk, "content"))
        pair = Pair(self._world.timing, now)
        engine = Engine(store, self.bodies, pair, self.name, now, self._world.sizes)
        self.bodies.sweep(store.holds)
        return engine

    def _new_delivery(self) -> Delivery:
        return Delivery(self._clock, self._rng, self._world.sink, self)

    def _attach_soon(self) -> None:
        process, delivery = self.process, self.delivery

        def attach() -> None:
            if process is not self.process or delivery is not self.delivery:
                return
            if process and delivery and delivery.alive:
                process.submit(StandAside(self._aside))
                delivery.connect(process.submit)

        self._clock.after(self._rng.randint(1, 200), attach)

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
        if self.delivery is None:
            return
        self._story.tell(f"{self.name}: delivery killed")
        self._end_delivery()
        self.delivery = self._new_delivery()
        self._attach_soon()

    def lose_delivery(self, duration: int) -> None:
        """The delivery process dies and cannot be restarted for a while."""
        if self.delivery is None or not self.delivery.alive:
            return
        self._story.tell(f"{self.name}: no delivery for {duration} ms")
        self._end_delivery()
        dead = self.delivery
        self._clock.after(DELIVERY_PATIENCE, lambda: self._miss(dead))
        self._clock.after(duration, lambda: self._restart_delivery(dead))

    def _miss(self, dead: Delivery) -> None:
        """As spool.delivery_watch does; a spool that was restarted meanwhile finds out later."""
        if self.delivery is dead:
            self.submit(Present(None, frozenset()))
            self.submit(StandAside(True))
            self._clock.after(DELIVERY_PATIENCE, lambda: self._miss(dead))

    def _restart_delivery(self, dead: Delivery) -> None:
        if self.delivery is dead:
            self.delivery = self._new_delivery()
            self._attach_soon()

    def power_cut(self) -> None:
        """The machine loses power: what was not synced is gone, or torn."""
        self._story.tell(f"{self.name}: power cut")
        self._power_off()
        self.disk.power_cut()

    def shut_down(self) -> None:
        """The machine ends in order: it leaves its addresses, hands over what it has, and stops."""
        self._story.tell(f"{self.name}: shuts down")
        if self.failover is not None:
            self.failover.shut_down()
        self.submit(HandOver(Then(lambda _: self._shut_down()), SHUTDOWN, force=True))

    def _shut_down(self) -> None:
        self._story.tell(f"{self.name}: off")
        self._clock.after(SHUTDOWN, self._ended)

    def _ended(self) -> None:
        self._power_off()
        self.disk.kill()

    def restore(self, image: Image) -> None:
        """The disk becomes what it was once: a restored backup, a virtual machine rolled back."""
        self._story.tell(f"{self.name}: disk restored to an older state")
        self._power_off()
        self.disk.restore(image)

    def wipe(self, replaced: bool) -> None:
        """Installed anew: an empty disk, and perhaps another machine with another identity."""
        self._story.tell(f"{self.name}: {'replaced' if replaced else 'installed anew'}")
        self._power_off()
        self.disk.restore({})
        self.identity += replaced

    def _power_off(self) -> None:
        if self.failover is not None:
            self.failover.off()
        self._stop()
        self._end_delivery()
        self.delivery = None
        self.paused_until = 0
        self._monotonic = self._new_monotonic()
        if self.failover is not None:
            self.failover.look()

    def _end_delivery(self) -> None:
        self._world.on_delivery_death(self)
        if self.delivery is not None:
            self.delivery.alive = False
            self.delivery.disconnect()

    def _stop(self) -> None:
        self._world.on_spool_death(self)
        if self.delivery:
            self.delivery.disconnect()
        if self.process is not None:
            self.died_in = self.engine.pair.mode
            self.process.end()
            self.process = None
        self.stopped_until = 0
        self._link_lost = False
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self.disk.mount.alive = False
            abandon(connection)
        self._world.network.drop()
        if self.failover is not None:
            self.failover.look()

    def died(self, error: BaseException) -> None:
        """A call to the engine raised: a power cut, or the disk failed and the process ends."""
        if isinstance(error, PowerCut):
            self.power_cut()
            return
        self._story.tell(f"{self.name}: {type(error).__name__} {error}")
        self.kill()
        self._clock.after(1_000, self.boot)

    def stall(self, duration: int, whole: bool) -> None:
        """SIGSTOP of the spool, or of the whole virtual machine, for a while."""
        self._story.tell(f"{self.name}: {'paused' if whole else 'stopped'} for {duration} ms")
        self._stopped_at = self._clock.now
        self.stopped_until = self._clock.now + duration
        if self.failover is not None:
            self._clock.after(MAIL_TIMEOUT + 1, self.failover.look)
            if whole:
                self.failover.stop()
        if whole:
            self.paused_until = self.stopped_until
            self._world.network.consider()
        self._clock.after(duration, self._go_on)

    def _go_on(self) -> None:
        if self._clock.now >= self.stopped_until:
            self.go_on()

    def go_on(self) -> None:
        """SIGCONT; what happened to the link meanwhile is heard of now."""
        self.stopped_until = self.paused_until = 0
        if self.failover is not None:
            self.failover.go_on()
            self.failover.look()
        if self.process:
            if self._link_lost:
                self._link_lost = False
                self.process.link_down()
            self.process.poke()
        self._world.network.consider()

    # Clients and processes.

    def submit(self, operation: Operation) -> None:
        """Hand an operation to the spool."""
        if self.process:
            self.process.submit(operation)

    def accept(self, client: Client) -> None:
        """A client sends a message."""
        Sending(self._clock, self._rng, self._story, self, client).begin()

    def content(self, queue_id: str) -> bytes:
        """A message's content."""
        content = self.engine.store.content(queue_id)
        return self.bodies.read(queue_id, 0, 1 << 30) if content is None else content

    # What the engine wants done (process.Host).

    def send(self, frame: Frame) -> None:
        self._world.network.send(self.name, frame)

    def reset_link(self, reason: str) -> None:
        self._story.tell(f"{self.name}: link reset, {reason}")
        self._world.network.drop()

    def answered(self, token: object, value: object) -> None:
        if isinstance(token, Then):
            token.take(value)

    def refused(self, token: object, error: Exception) -> None:
        self._story.tell(f"{self.name}: refused, {error}")

    def revoked(self, effect: Revoke) -> None:
        if self.delivery:
            self.delivery.revoke(effect.attempts)

    def happened(self, event: Happened) -> None:
        if event.event == "mode":
            told = f"{event.fields['mode']}, {event.fields['exposed']} exposed"
        else:
            fields = " ".join(f"{name}={value}" for name, value in event.fields.items())
            told = f"{event.event} {fields}".strip()
        self._story.tell(f"{self.name}: {told}")
        if event.event in ("adopted", "taken_over"):
            self._world.on_claim(self, event)

    def housekeep(self) -> None:
        if self.delivery and self.delivery.submit:
            self.delivery.renewed_at = self._clock.now
        if self._world.sweep is not None:
            self.submit(Sweep(self._world.sweep))
        if self.failover is not None:
            self.failover.look()

    # The peer link (world.End).

    def link_up(self) -> None:
        if self.process:
            self.process.link_up()

    def link_down(self) -> None:
        if self.failover is not None:
            self.failover.look()
        if self.process and self.answers:
            self.process.link_down()
        elif self.process:
            self._link_lost = True

    def receive(self, frame: Frame) -> None:
        if self.process:
            self.process.receive(frame)

    # The failover process (failover.MailProcess), or heartbeats that the network tells of.

    def hear(self, alive: bool | None, serves: bool = True) -> None:
        if self.process and self._clock.now >= self.stopped_until:
            self.process.hear(alive, serves)

    def stand_aside(self, aside: bool) -> None:
        if self.process and self._clock.now >= self.stopped_until and aside is not self._aside:
            self._aside = aside
            self.submit(StandAside(aside))

    def report(self) -> tuple[PairMode, int, bool] | None:
        silent = not self.answers and self._clock.now - self._stopped_at > MAIL_TIMEOUT
        if self.process is None or silent:
            return None
        engine = self.engine
        return PairMode(engine.pair.mode), engine.exposed, engine.replication.greeted

    def monotonic(self) -> int:
        return self._monotonic()

    @property
    def link_lives(self) -> bool:
        network = self._world.network
        return network.connected and all(end.answers for end in network.ends.values())

    @property
    def gone(self) -> bool:
        return self.delivery is None and self.process is None

    def close(self) -> None:
        """Give back the connection."""
        if self._connection is not None:
            abandon(self._connection)
