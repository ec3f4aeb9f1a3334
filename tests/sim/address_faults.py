"""Faults of the heartbeat paths and of the failover processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.sim.failover import FailoverProcess
from tests.sim.node import Node
from tests.sim.wires import SOUND, Wire, Wires
from tests.sim.world import World

Blow = Callable[[Node, int], None]


class AddressFaults:
    """`blows` by name, as `faults.Faults` has them."""

    def __init__(self, world: World, wires: Wires, processes: list[FailoverProcess]) -> None:
        self._world, self._wires, self._processes = world, wires, processes
        self._clock, self._rng = world.clock, world.rng
        self._slow = (0, 3 * 10 * processes[0].routers[0].interval)
        self.blows: dict[str, Blow] = {
            "lossy path": lambda node, later: self._path(Wire(loss=self._loss()), later, one=True),
            "lossy": lambda node, later: self._path(Wire(loss=self._loss()), later),
            "dark path": lambda node, later: self._path(Wire(cut=True), later, one=True),
            "dark": lambda node, later: self._path(Wire(cut=True), later),
            "disorder": lambda node, later: self._path(Wire(repeat=0.5, delay=self._slow), later),
            "total split": lambda node, later: self._total_split(),
            "replay": lambda node, later: self._replay(),
            "freeze": lambda node, later: self._freeze(node),
            "failover": lambda node, later: self._of(node).kill(),
        }

    def _of(self, node: Node) -> FailoverProcess:
        (process,) = (one for one in self._processes if one.host is node)
        return process

    def _loss(self) -> float:
        return self._rng.choice([0.3, 0.6, 0.9])

    def _path(self, wire: Wire, later: int, *, one: bool = False) -> None:
        number = self._rng.choice(list(self._wires.paths)) if one else None
        which = "all paths" if number is None else f"path {number}"
        self._world.story.tell(f"{which}: {wire} for {later} ms")
        self._wires.become(wire, number)
        self._clock.after(later, partial(self._wires.become, Wire(), number))

    def _total_split(self) -> None:
        """Nothing at all gets through, from one moment to the next."""
        length = self._rng.choice([2_000, 25_000, 70_000])
        self._world.story.tell(f"total split for {length} ms")
        self._wires.become(Wire(cut=True))
        self._world.network.cut()
        self._clock.after(length, self._whole)

    def _whole(self) -> None:
        self._world.story.tell("the network is whole")
        self._wires.become(Wire())
        self._world.network.mend()

    def _replay(self) -> None:
        self._world.story.tell("a stranger repeats what was sent")
        self._wires.replay()

    def _freeze(self, node: Node) -> None:
        process = self._of(node)
        length = self._rng.choice([200, 700, 5_000, 20_000])
        self._world.story.tell(f"{node.name}: failover stopped for {length} ms")
        process.stop()
        self._clock.after(length, lambda: self._thaw(node, process))

    def _thaw(self, node: Node, process: FailoverProcess) -> None:
        if self._clock.now >= node.paused_until:
            process.go_on()

    def end(self) -> None:
        """Everything heals."""
        self._wires.become(Wire(delay=SOUND))
        for process in self._processes:
            process.go_on()
            process.maintain(False)
            process.leave(False)
