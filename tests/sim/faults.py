"""The faults: each is a moment at which something goes wrong, and how long it lasts."""

from __future__ import annotations

from collections.abc import Callable
from errno import EIO
from functools import partial

from appliance.replica.frames import Ack, Batch, BodyChunk, Hello, SnapshotEnd, SnapshotPart
from tests.sim.address_faults import AddressFaults
from tests.sim.node import Node
from tests.sim.plan import DISK_LOSSES
from tests.sim.world import World
from tests.support.disk import Image

FRAMES = (Ack, Batch, BodyChunk, Hello, SnapshotPart, SnapshotEnd)
Blow = Callable[[Node, int], None]
"""Strikes a node; what has an end ends after so many milliseconds."""


class Faults:
    """Strikes two nodes and what joins them; `on_disk_loss` hears of a disk about to be lost."""

    def __init__(
        self, world: World, nodes: list[Node], on_disk_loss: Callable[[Node, Node], None]
    ) -> None:
        self._world, self._nodes, self._on_disk_loss = world, nodes, on_disk_loss
        self._clock, self._network, self._rng = world.clock, world.network, world.rng
        self._disk_lost = False
        self._images: dict[str, Image] = {}
        self._of_addresses: AddressFaults | None = None
        self._blows: dict[str, Blow] = {
            "kill": lambda node, later: self._down(node, node.kill, later),
            "kill both": lambda node, later: self._both(Node.kill_all),
            "delivery": lambda node, later: node.kill_delivery(),
            "no delivery": lambda node, later: node.lose_delivery(later),
            "power": lambda node, later: self._down(node, node.power_cut, later),
            "power both": lambda node, later: self._both(Node.power_cut),
            "power in commit": self._power_in_commit,
            "long death": self._long_death,
            "succession": self._succession,
            "stop": lambda node, later: self._stall(node, False),
            "pause": lambda node, later: self._stall(node, True),
            "bad sync": lambda node, later: self._bad_sync(node),
            "bad write": lambda node, later: self._bad_write(node),
            "disk full": self._disk_full,
            "cut": lambda node, later: self._cut(self._rng.choice([later, 70_000])),
            "flap": lambda node, later: self._cut(self._rng.randint(10, 900)),
            "split": lambda node, later: self._split(),
            "slow": lambda node, later: self._slow(later),
            "cut frame": lambda node, later: self._cut_frame(later),
            "power at frame": lambda node, later: self._power_at_frame(node),
            **{name: self._lose_disk(name) for name in DISK_LOSSES},
        }

    def join(self, others: AddressFaults) -> None:
        """Those of the virtual addresses, too."""
        self._blows |= others.blows
        self._of_addresses = others

    def strike(self, name: str) -> None:
        """Let it happen, to one node or to what joins them."""
        later = self._rng.choice([500, 3_000, 15_000, 40_000])
        self._blows[name](self._rng.choice(self._nodes), later)

    # Processes and machines.

    def _down(self, node: Node, blow: Callable[[], None], later: int) -> None:
        if node.up:
            blow()
        self._clock.after(later, node.boot)

    def _both(self, blow: Callable[[Node], None]) -> None:
        for node in self._nodes:
            self._down(node, partial(blow, node), self._rng.choice([500, 15_000]))

    def _power_in_commit(self, node: Node, later: int) -> None:
        node.disk.faults.crash_at(nth=self._rng.randint(1, 60))
        self._clock.after(later, node.boot)
        self._clock.after(later + 40_000, node.boot)

    def _long_death(self, node: Node, later: int) -> None:
        self._down(node, node.power_cut, self._rng.choice([30_000, 70_000, 100_000]))

    def _succession(self, first: Node, later: int) -> None:
        """Both die, one after the other, and come back in either order."""
        (second,) = (node for node in self._nodes if node is not first)
        back = self._rng.sample([later + 2_000, later + 30_000], 2)
        self._down(first, first.power_cut, back[0])
        self._clock.after(later, lambda: self._down(second, second.power_cut, back[1]))

    def _stall(self, node: Node, whole: bool) -> None:
        node.stall(self._rng.choice([2_000, 7_000, 30_000, 80_000]), whole)

    # Disks.

    def _bad_sync(self, node: Node) -> None:
        path = self._rng.choice(["spool.db-wal", "spool.db", "content/*", "*"])
        node.disk.faults.fail_at("fsync", path, EIO)

    def _bad_write(self, node: Node) -> None:
        node.disk.faults.fail_at("write", "*", EIO, nth=self._rng.randint(1, 60))

    def _disk_full(self, node: Node, later: int) -> None:
        used = sum(len(content) for content in node.disk.snapshot().values())
        node.disk.capacity = used + self._rng.choice([0, 2_000, 20_000])
        self._world.story.tell(f"{node.name}: disk full")
        self._clock.after(later, lambda: setattr(node.disk, "capacity", None))

    def remember(self) -> None:
        """Take the images that a later fault may restore."""
        for node in self._nodes:
            self._images[node.name] = node.disk.snapshot()

    def _lose_disk(self, name: str) -> Blow:
        def blow(node: Node, later: int) -> None:
            (other,) = (one for one in self._nodes if one is not node)
            if self._disk_lost or not other.up or (name == "restore" and not self._images):
                return
            self._disk_lost = True
            self._on_disk_loss(node, other)
            if name == "restore":
                node.restore(self._images[node.name])
            else:
                node.wipe(replaced=name == "replace")
            self._clock.after(later, node.boot)

        return blow

    # The link.

    def _cut(self, length: int) -> None:
        self._world.story.tell(f"link cut for {length} ms")
        self._network.cut()
        self._clock.after(length, self._mend)

    def _mend(self) -> None:
        self._world.story.tell("link whole")
        self._network.mend()

    def _split(self) -> None:
        if self._network.heartbeats:
            self._network.heartbeats = False
            self._clock.after(70_000, self._hear_again)
        self._cut(70_000)

    def _hear_again(self) -> None:
        self._network.heartbeats = True
        self._network.consider()

    def _slow(self, later: int) -> None:
        self._network.delay = (0, self._rng.choice([200, 2_000, 6_000]))
        self._clock.after(later, self._fast_again)

    def _fast_again(self) -> None:
        self._network.delay = (0, 3)

    def _cut_frame(self, later: int) -> None:
        kind, nth = self._rng.choice(FRAMES), self._rng.randint(1, 8)
        self._network.trap(kind, nth, lambda: self._cut(self._rng.choice([10, later])))

    def _power_at_frame(self, node: Node) -> None:
        kind, nth = self._rng.choice(FRAMES), self._rng.randint(1, 8)

        def blow() -> None:
            self._down(node, node.power_cut, 3_000)

        self._network.trap(kind, nth, lambda: self._clock.after(0, blow))

    def end(self) -> None:
        """Everything heals."""
        self._fast_again()
        self._network.forget_trap()
        if self._network.heartbeats is not None:
            self._network.heartbeats = True
        for node in self._nodes:
            node.disk.faults.clear()
            node.disk.capacity = None
            node.go_on()
        if self._of_addresses is not None:
            self._of_addresses.end()
        self._network.mend()
