"""What is outside the nodes and theirs in common: the network, the next hop, and the story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Protocol

from appliance.replica.frames import Frame, decode, encode
from appliance.replica.pair import Timing
from appliance.spool.messages import Entry
from appliance.spool.operations import Happened
from appliance.spool.sizes import Sizes
from tests.sim.clock import Clock
from tests.support.disk_vfs import DiskVFS

if TYPE_CHECKING:
    from tests.sim.node import Node


class Story:
    """What happened, for people: printed when a seed fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        """Add a line with the time."""
        self.lines.append(f"{self._clock.now / 1000:9.3f}  {text}")


class End(Protocol):
    """A node as the network sees it."""

    name: str
    stopped_until: int

    @property
    def answers(self) -> bool:
        """True while its spool runs and is not stopped."""

    @property
    def powered(self) -> bool:
        """True while the machine runs: then its heartbeat can be heard."""

    def link_up(self) -> None: ...
    def link_down(self) -> None: ...
    def receive(self, frame: Frame) -> None: ...
    def hear(self, alive: bool) -> None:
        """The peer's heartbeat is heard, or has ceased on all paths."""


class Network:
    """The link between two nodes: ordered, delayed, cut at times; and their heartbeats.

    Every connection has a number; what was under way on an older one is lost.
    """

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self.ends: dict[str, End] = {}
        self.connected = False
        self.whole = True
        self.heartbeats: bool | None = True
        """Whether any path carries them; None in a pair that has none."""
        self.delay = (0, 3)
        self._number = 0
        self._last: Counter[str] = Counter()
        self._trap: tuple[type, int, Callable[[], None]] | None = None

    def consider(self) -> None:
        """Something changed: connect if both nodes are there, and let heartbeats be heard."""
        if self.whole and not self.connected and all(end.answers for end in self.ends.values()):
            self._number += 1
            number = self._number
            self._clock.after(self._rng.randint(1, 300), lambda: self._connect(number))
        if self.heartbeats is not None:
            self._clock.after(self._rng.randint(100, 900), self._tell_heartbeats)

    def _tell_heartbeats(self) -> None:
        for end in self.ends.values():
            others = [other.powered for other in self.ends.values() if other is not end]
            end.hear(bool(self.heartbeats) and all(others))

    def _connect(self, number: int) -> None:
        ready = self.whole and all(end.answers for end in self.ends.values())
        if ready and not self.connected and number == self._number:
            self.connected = True
            for end in self.ends.values():
                end.link_up()

    def drop(self) -> None:
        """The connection breaks; it is made anew when it can be."""
        if self.connected:
            self.connected = False
            self._number += 1
            for end in self.ends.values():
                end.link_down()
        self._clock.after(self._rng.randint(50, 800), self.consider)

    def cut(self) -> None:
        """No connection until `mend`."""
        self.whole = False
        self.drop()

    def mend(self) -> None:
        """Connections can be made again."""
        self.whole = True
        self.consider()

    def trap(self, kind: type, nth: int, action: Callable[[], None]) -> None:
        """Do `action` instead of carrying the `nth` frame of a kind from now on."""
        self._trap = (kind, nth, action)

    def forget_trap(self) -> None:
        """Carry every frame."""
        self._trap = None

    def send(self, sender: str, frame: Frame) -> None:
        """Carry a frame to the other end, as bytes."""
        if not self.connected or self._trapped(frame):
            return
        (receiver,) = self.ends.keys() - {sender}
        end, data, number = self.ends[receiver], encode(frame), self._number
        arrival = max(self._last[sender], self._clock.now + self._rng.randint(*self.delay))
        self._last[sender] = arrival

        def deliver() -> None:
            if self.connected and number == self._number:
                if self._clock.now < end.stopped_until:
                    self._clock.after(end.stopped_until - self._clock.now, deliver)
                else:
                    end.receive(decode(data))

        self._clock.after(arrival - self._clock.now, deliver)

    def _trapped(self, frame: Frame) -> bool:
        if self._trap is None or not isinstance(frame, self._trap[0]):
            return False
        kind, left, action = self._trap
        self._trap = (kind, left - 1, action) if left > 1 else None
        if left > 1:
            return False
        action()
        return True


class Sink:
    """The next hop: it keeps the tokens that it really received. It is the oracle."""

    def __init__(self, rng: Random, trouble: float) -> None:
        self._rng = rng
        self.trouble = trouble
        self.received: Counter[tuple[bytes, str]] = Counter()
        self.received_from: Counter[tuple[bytes, str, str]] = Counter()
        self.pace: int | None = None
        """Milliseconds an attempt takes to come to DATA; drawn if None."""

    def wait(self) -> int:
        """How long an attempt takes to come to DATA; some next hops are slow."""
        if self.pace is not None:
            return self.pace
        return self._rng.randint(0, self._rng.choice([40, 40, 40, 40, 40, 8000]))

    def offer(self, content: bytes, address: str, by: str) -> str:
        """One recipient of one message, from node `by`: "ok", "later" or "never"."""
        if address.startswith("never"):
            return "never"
        if self._rng.random() < self.trouble:
            return "later"
        self.received[content, address] += 1
        self.received_from[content, address, by] += 1
        return "ok"


class World:
    """What all nodes of a simulation share."""

    def __init__(self, seed: int, vfs: DiskVFS, timing: Timing, trouble: float) -> None:
        self.rng = Random(seed)
        self.clock = Clock()
        self.story = Story(self.clock)
        self.network = Network(self.clock, self.rng)
        self.sink = Sink(self.rng, trouble)
        self.vfs = vfs
        self.timing = timing
        self.on_delivery_death: Callable[[Node], None] = lambda node: None
        self.on_spool_death: Callable[[Node], None] = lambda node: None
        self.on_claim: Callable[[Node, Happened], None] = lambda node, event: None
        self.on_drop: Callable[[Node, Entry], None] = lambda node, entry: None
        self.sizes = Sizes()
        self.sweep: int | None = None
        """How long ended messages are kept, in milliseconds; None for ever."""
