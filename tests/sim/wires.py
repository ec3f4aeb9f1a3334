"""The heartbeat paths between two simulated nodes: they lose, delay, reorder and repeat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.sim.clock import Clock

SOUND = (0, 3)
_RECORDED = 400


@dataclass
class Wire:
    """One path, the same both ways; rates from 0 to 1, delays in milliseconds."""

    cut: bool = False
    loss: float = 0.0
    repeat: float = 0.0
    delay: tuple[int, int] = SOUND

    @property
    def sound(self) -> bool:
        """True if whatever is sent arrives soon."""
        return not self.cut and not self.loss and self.delay == SOUND


Arrive = Callable[[int, bytes], None]


class Wires:
    """Carries datagrams by path, and lets a stranger repeat what was sent long ago."""

    def __init__(self, clock: Clock, rng: Random, count: int) -> None:
        self._clock, self._rng = clock, rng
        self.paths = {number: Wire() for number in range(1, count + 1)}
        self.ends: dict[str, Arrive] = {}
        self.on_change: Callable[[], None] = lambda: None
        self._recorded: deque[tuple[str, int, bytes]] = deque(maxlen=_RECORDED)

    @property
    def connected(self) -> bool:
        """True while some path is sound."""
        return any(wire.sound for wire in self.paths.values())

    def send(self, sender: str, path: int, data: bytes) -> None:
        """A datagram for the other node."""
        (receiver,) = self.ends.keys() - {sender}
        self._recorded.append((receiver, path, data))
        wire = self.paths[path]
        if wire.cut:
            return
        for _ in range(1 + (self._rng.random() < wire.repeat)):
            if self._rng.random() >= wire.loss:
                self._carry(receiver, path, data, self._rng.randint(*wire.delay))

    def replay(self) -> None:
        """A stranger sends what he has recorded, to whom it was sent."""
        for receiver, path, data in self._recorded:
            self._carry(receiver, path, data, self._rng.randint(0, 20_000))

    def _carry(self, receiver: str, path: int, data: bytes, delay: int) -> None:
        self._clock.after(delay, lambda: self.ends[receiver](path, data))

    def become(self, wire: Wire, number: int | None = None) -> None:
        """One path, or all, are like `wire` from now on."""
        for each in self.paths if number is None else [number]:
            self.paths[each] = Wire(wire.cut, wire.loss, wire.repeat, wire.delay)
        self.on_change()
