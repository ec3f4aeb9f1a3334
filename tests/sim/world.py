"""What is outside the nodes: the network between them, the next hop, and the story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from appliance.replica.frames import Frame, decode, encode
from tests.sim.clock import Clock


class Story:
    """What happened, for people: printed when a seed fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        """Add a line with the time."""
        self.lines.append(f"{self._clock.now / 1000:9.3f}  {text}")


class Network:
    """The link between the two nodes: ordered, delayed, cut at times.

    Every connection has a number; what was under way on an older one is lost.
    """

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self.connected = False
        self.whole = True
        self.delay = (0, 3)
        self._epoch = 0
        self._last: Counter[str] = Counter()
        self.ends: dict[str, tuple[Callable[[], bool], Callable[[], None], Callable[[], None]]] = {}
        self.inlets: dict[str, tuple[Callable[[Frame], None], Callable[[], int]]] = {}

    def consider(self) -> None:
        """Connect if both nodes are there and the link is whole."""
        if self.whole and not self.connected and all(up() for up, _, _ in self.ends.values()):
            self._epoch += 1
            epoch = self._epoch
            self._clock.after(self._rng.randint(1, 300), lambda: self._connect(epoch))

    def _connect(self, epoch: int) -> None:
        ready = self.whole and all(up() for up, _, _ in self.ends.values())
        if ready and not self.connected and epoch == self._epoch:
            self.connected = True
            for _, on_up, _ in self.ends.values():
                on_up()

    def drop(self) -> None:
        """The connection breaks; each end notices in its own time."""
        if self.connected:
            self.connected = False
            self._epoch += 1
            for _, _, on_down in self.ends.values():
                on_down()
        self._clock.after(self._rng.randint(50, 800), self.consider)

    def send(self, sender: str, frame: Frame) -> None:
        """Carry a frame to the other end, as bytes."""
        if not self.connected:
            return
        data, epoch = encode(frame), self._epoch
        (receiver,) = self.inlets.keys() - {sender}
        arrival = max(self._last[sender], self._clock.now + self._rng.randint(*self.delay))
        self._last[sender] = arrival

        take, stopped_until = self.inlets[receiver]

        def deliver() -> None:
            if self.connected and epoch == self._epoch:
                if self._clock.now < stopped_until():
                    self._clock.after(stopped_until() - self._clock.now, deliver)
                else:
                    take(decode(data))

        self._clock.after(arrival - self._clock.now, deliver)


class Sink:
    """The next hop: it keeps the tokens that it really received. It is the oracle."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.received: Counter[tuple[bytes, str]] = Counter()
        self.trouble = 0.3

    def offer(self, content: bytes, address: str) -> str:
        """One recipient of one message: "ok", "later" or "never"."""
        if address.startswith("never"):
            return "never"
        if self._rng.random() < self.trouble:
            return "later"
        self.received[content, address] += 1
        return "ok"
