"""The virtual addresses of a simulated pair: who holds them, and who moves them on purpose."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

from appliance.failover.parameters import VirtualRouter
from appliance.spool.operations import HandOver
from tests.sim.address_faults import AddressFaults
from tests.sim.client import Client
from tests.sim.delivery import Then
from tests.sim.failover import FailoverProcess
from tests.sim.node import Node
from tests.sim.oracle import expect
from tests.sim.referee import Referee
from tests.sim.wires import Wires
from tests.sim.world import World

_AGAIN = 500
_TRIES = 40
_PATIENCE = 10_000
INTERVALS = (10, 30, 100)  # centiseconds


class Addresses:
    """Failover processes for both nodes: with two addresses each node has one (active-active)."""

    def __init__(
        self,
        world: World,
        nodes: list[Node],
        count: int,
        interval: int | None = None,
        paths: int | None = None,
    ) -> None:
        self._world, self._nodes = world, nodes
        self._clock, self._rng = world.clock, world.rng
        world.network.heartbeats = None
        self._interval = interval or self._rng.choice(INTERVALS)
        self.wires = Wires(self._clock, self._rng, paths or self._rng.choice([1, 2]))
        self.processes = [self._process(node, count) for node in nodes]
        for node, process in zip(nodes, self.processes, strict=True):
            node.failover = process
        self.referee = Referee(self._clock, self.wires, self.processes)
        self.faults = AddressFaults(world, self.wires, self.processes)

    def _process(self, node: Node, count: int) -> FailoverProcess:
        routers = [
            VirtualRouter(
                vrid=vrid,
                addresses=(IPv4Address(f"192.0.2.20{vrid}"),),
                priority=150 if (node.name == "a") is (vrid == 1) else 100,
                interval=self._interval,
            )
            for vrid in range(1, count + 1)
        ]
        world = self._world
        return FailoverProcess(world.clock, world.rng, world.story, self.wires, node, routers)

    def holders(self, vrid: int) -> list[Node]:
        """Who holds the address of a virtual router."""
        pairs = zip(self._nodes, self.processes, strict=True)
        return [node for node, process in pairs if vrid in process.held]

    def send(self, client: Client, tries: int = _TRIES) -> None:
        """A client that knows a virtual address only, and tries again where nobody answers."""
        vrid = self._rng.choice(self.processes[0].routers).vrid
        there = [node for node in self.holders(vrid) if node.up]
        if there:
            self._rng.choice(there).accept(client)
        elif tries:
            self._clock.after(_AGAIN, lambda: self.send(client, tries - 1))

    # Operators.

    def move(self, node: Node, action: str, *, force: bool = False) -> None:
        """A planned switchover away from `node`, or some time of maintenance there.

        As the product does it: first the mail, then the addresses; without mail's consent only
        by `force`.
        """
        process = self.processes[self._nodes.index(node)]
        move = partial(self._leave if action == "switchover" else self._maintain, process)
        if force:
            move(None)
        else:
            node.submit(HandOver(Then(move), _PATIENCE))

    def _maintain(self, process: FailoverProcess, _: object) -> None:
        process.maintain(True)
        back = self._rng.choice([3_000, 20_000])
        self._clock.after(back, lambda: process.maintain(False))

    def _leave(self, process: FailoverProcess, _: object) -> None:
        process.leave(True)
        self._clock.after(3 * 4 * 10 * self._interval, lambda: process.leave(False))

    # Verdict.

    def judge_adoption(self, node: Node) -> None:
        """Nobody adopts from a node that it hears, unless another has taken its place."""
        process = self.processes[self._nodes.index(node)]
        if node.engine.replication.peer is None and process.runs:
            expect(not process.hears, f"{node.name} adopts from a node that it hears")
