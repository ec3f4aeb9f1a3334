"""Scripted scenarios on the simulated pair: what happens is written down, not drawn."""

from __future__ import annotations

from types import TracebackType

from appliance.replica.pair import Timing
from appliance.spool.messages import Entry, key_of
from appliance.spool.operations import Command, HandOver, TakeOver
from tests.sim.addresses import Addresses
from tests.sim.client import Client
from tests.sim.node import Node
from tests.sim.oracle import Allowance, Oracle
from tests.sim.wires import Wire
from tests.sim.world import World
from tests.support.disk_vfs import DiskVFS

SITE = "sender@site.test"


class Scenario:
    """Two nodes `a` and `b`; time is in seconds. To be used in a `with` statement."""

    def __init__(
        self, timing: Timing | None = None, name: str = "scenario", paths: int = 0
    ) -> None:
        """With a virtual address, and heartbeats on so many `paths`, if not 0."""
        self._vfs = DiskVFS(name)
        self.world = World(1, self._vfs, timing or Timing(), trouble=0.0)
        self.world.network.heartbeats = True
        self.a, self.b = Node("a", self.world), Node("b", self.world)
        self.nodes = [self.a, self.b]
        self.clients: list[Client] = []
        self.addresses = Addresses(self.world, self.nodes, 1, 10, paths) if paths else None

    def __enter__(self) -> Scenario:
        self.a.boot()
        self.b.boot()
        self.run(3)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.close()
        self._vfs.close()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        clock = self.world.clock
        clock.run(clock.now + int(seconds * 1000))

    def send(
        self, node: Node | None, *recipients: str, content: bytes | None = None, sender: str = SITE
    ) -> Client:
        """A client sends a message to `node`, or to whoever holds the virtual address."""
        token = b"message %d" % (len(self.clients) + 1) if content is None else content
        client = Client(token, sender, list(recipients))
        self.clients.append(client)
        if node is not None:
            node.accept(client)
        elif self.addresses is not None:
            self.addresses.send(client)
        return client

    def command(self, node: Node, action: str, client: Client, address: str = "") -> None:
        """An operator on `node` says something about a message."""
        self.world.story.tell(f"{node.name}: operator says {action}")
        domain = address.rpartition("@")[2]
        node.submit(Command(None, action, client.queue_id, None, address, domain))

    def hand_over(self, node: Node) -> None:
        """An operator on `node` lets it give everything to the peer."""
        self.world.story.tell(f"{node.name}: operator says hand over")
        node.submit(HandOver(None))

    def take_over(self, node: Node) -> None:
        """An operator on `node` says that the peer will not come."""
        self.world.story.tell(f"{node.name}: operator says take over")
        node.submit(TakeOver(None))

    def split(self) -> None:
        """Neither the link nor a heartbeat gets through."""
        self.world.story.tell("the nodes are split")
        if self.addresses is not None:
            self.addresses.wires.become(Wire(cut=True))
        else:
            self.world.network.heartbeats = False
        self.world.network.cut()

    def heal(self) -> None:
        """The network is whole."""
        self.world.story.tell("the network is whole")
        if self.addresses is not None:
            self.addresses.wires.become(Wire())
        else:
            self.world.network.heartbeats = True
        self.world.network.mend()

    def received(self, client: Client, address: str | None = None) -> int:
        """How often the sink got a message."""
        return self.world.sink.received[client.token, address or client.recipients[0]]

    def held(self, node: Node, client: Client) -> bool:
        """Whether a node has the first recipient of a message on hold."""
        return self.entry(node, client).state.recipients[0].log.held

    def doubts(self, node: Node, client: Client) -> int:
        """How many doubts a node counts for the first recipient of a message."""
        return self.entry(node, client).state.recipients[0].doubts

    def entry(self, node: Node, client: Client) -> Entry:
        """A message as a node has it; raises LookupError."""
        store = node.engine.store
        return store.messages.by_key(key_of(client.queue_id, store.journal))

    def judge(self, allowance: Allowance | None = None, faultless: bool = False) -> None:
        """Both nodes are up, whole and agree; raises Violated."""
        oracle = Oracle(
            self.nodes,
            self.clients,
            self.world.sink,
            allowance or Allowance(unbounded=True),
            faultless,
            {},
        )
        oracle.judge_progress()
        oracle.judge()
