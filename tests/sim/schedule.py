"""A seed's schedule: mail, faults and operators, then healing, then the oracle's verdict."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from appliance.replica.pair import Mode, Timing
from appliance.spool.messages import Entry, key_of
from appliance.spool.operations import Command, HandOver, Happened, StandAside, TakeOver
from appliance.spool.sizes import Sizes
from tests.sim.addresses import Addresses
from tests.sim.client import INLINE, Client
from tests.sim.faults import Faults
from tests.sim.node import Node
from tests.sim.oracle import Allowance, Message, Oracle, known_attempts, message_of, messages_of
from tests.sim.plan import Plan
from tests.sim.site_changes import SiteOperators
from tests.sim.world import World
from tests.support.disk_vfs import DiskVFS

ADDRESSES = ("al@one.test", "bo@two.test", "cy@three.test", "never@one.test", "box1@site.test")
SITE = "sender@site.test"


class Simulation:
    """Two nodes, their link, a next hop, clients and operators, from one seed."""

    def __init__(self, seed: int, plan: Plan, vfs: DiskVFS) -> None:
        self.seed, self.plan = seed, plan
        self.world = world = World(seed, vfs, Timing(), plan.trouble)
        self.rng, self.clock, self.story = world.rng, world.clock, world.story
        world.timing = Timing(
            adopt_delay=self.rng.choice([20_000, 60_000]),
            stale_wait=self.rng.choice([10_000, 600_000]),
        )
        world.network.heartbeats = self.rng.choice([True, True, None])
        window = self.rng.choice([500, 8 << 20])
        world.sizes = Sizes(window=window, chunk=150, part=1, keep=plan.keep)
        world.on_delivery_death = self._note_leases
        world.on_spool_death = self._note_bounces
        world.on_claim = self._note_claim
        world.sweep = plan.sweep
        world.on_drop = self._note_ended
        self.nodes = [Node(name, world) for name in "ab"]
        self.faults = Faults(world, self.nodes, self._note_disk_loss)
        self.addresses: Addresses | None = None
        if plan.addresses:
            self.addresses = Addresses(world, self.nodes, plan.addresses)
            self.faults.join(self.addresses.faults)
        self.site = SiteOperators(self.rng, self.story)
        self.clients: list[Client] = []
        self.allowance = Allowance()
        self.ended: dict[str, Message] = {}

    def run(self) -> None:
        """Play the seed; raises Violated."""
        plan, rng = self.plan, self.rng
        for node in self.nodes:
            node.boot()
        self.clock.run(4_000)
        start = self.clock.now
        for _ in range(plan.messages):
            self._sometime(self._send)
        if plan.faults:
            self._sometime(self.faults.remember)
            for _ in range(rng.randint(*plan.strikes)):
                fault = rng.choice(plan.faults)
                self._sometime(partial(self.faults.strike, fault))
        if plan.operators:
            for _ in range(rng.randint(0, plan.acts)):
                self._sometime(self._operate)
        if plan.site:
            for _ in range(rng.randint(1, plan.site)):
                self._sometime(lambda: self.site.act(self.nodes))
        self.clock.run(start + plan.duration)
        self._heal()

    def _sometime(self, action: Callable[[], None]) -> None:
        self.clock.after(self.rng.randint(0, self.plan.duration), action)

    def _send(self) -> None:
        up = [node for node in self.nodes if node.up]
        if not up:
            return
        token = b"token %d %d " % (self.seed, len(self.clients))
        if self.rng.random() < self.plan.large:
            token += b"x" * self.rng.randint(INLINE, 4 * INLINE)
        recipients = self.rng.sample(ADDRESSES, self.rng.randint(1, 3))
        client = Client(token, self.rng.choice([SITE, SITE, ""]), recipients)
        self.clients.append(client)
        if self.addresses is None or self.rng.random() < 0.2:
            self.rng.choice(up).accept(client)
        else:
            self.addresses.send(client)

    def _operate(self) -> None:
        up = [node for node in self.nodes if node.up]
        known = [client for client in self.clients if client.told]
        if not up or not known:
            return
        node, client = self.rng.choice(up), self.rng.choice(known)
        action = self.rng.choice(self.plan.operators)
        self.story.tell(f"{node.name}: operator says {action} {client.queue_id}")
        match action:
            case "take over":
                node.submit(TakeOver(None))
            case "hand over":
                node.submit(HandOver(None, self.rng.choice([0, 2_000, 10_000])))
            case "stand aside":
                self._stand_aside(node)
            case "switchover" | "maintenance":
                assert self.addresses is not None
                self.addresses.move(node, action, force=self.rng.random() < 0.3)
            case "redirect":
                chosen = (self.rng.randrange(len(client.recipients)),)
                node.submit(
                    Command(None, action, client.queue_id, chosen, "new@two.test", "two.test")
                )
            case _:
                node.submit(Command(None, action, client.queue_id))

    def _stand_aside(self, node: Node) -> None:
        node.submit(StandAside(True))
        back = partial(node.submit, StandAside(False))
        self.clock.after(self.rng.choice([1_000, 15_000, 40_000]), back)

    # What the faults permit.

    def _note_leases(self, node: Node) -> None:
        if node.delivery is not None:
            open_leases = node.delivery.open.values()
            self.allowance.leases_at_faults += sum(len(one.recipients) for one in open_leases)

    def _note_bounces(self, node: Node) -> None:
        if node.delivery is not None:
            outcomes = node.delivery.outcomes.values()
            self.allowance.bounces_at_faults += sum(bool(one.notifications) for one in outcomes)

    def _note_ended(self, node: Node, entry: Entry) -> None:
        if entry.state.finished:
            self.ended[entry.queue_id] = message_of(node, entry)

    def _note_claim(self, node: Node, event: Happened) -> None:
        if self.addresses is not None and event.event == "adopted":
            self.addresses.judge_adoption(node)
        others = [other for other in self.nodes if other is not node]
        alive = any(other.delivery is not None for other in others)
        alone = any(other.died_in is not Mode.PAIRED for other in others)
        if alive or alone or event.event == "taken_over":
            self.allowance.unbounded = True

    def _note_disk_loss(self, node: Node, other: Node) -> None:
        self.allowance.unbounded = True
        self.site.lost(node)
        durable = other.engine.durable
        for client in self.clients:
            if client.told in (Mode.SOLO, Mode.CATCHING_UP):
                store = other.engine.store
                if store.holds(client.queue_id):
                    state = store.messages.by_key(key_of(client.queue_id, store.journal)).state
                    mark = durable.get(state.incarnation)
                    client.excused |= mark is None or mark.seq < state.seq
                else:
                    client.excused = True
        known = known_attempts(other, node.id)
        for (content, address, by), times in self.world.sink.received_from.items():
            if by == node.name:
                self.allowance.unknown[content, address] = times - known[content, address]

    # Healing and verdict.

    def _heal(self) -> None:
        self.story.tell("everything heals")
        self.world.sink.trouble = 0.0
        self.faults.end()
        for _ in range(3):
            for node in self.nodes:
                node.boot()
            self.clock.run(self.clock.now + 15_000)
        self.clock.run(self.clock.now + 75_000)
        oracle = self.oracle()
        oracle.judge_progress()
        if self.addresses is not None:
            self.addresses.referee.judge()
        self._release()
        oracle.judge()
        self.site.judge(self.nodes)

    def oracle(self) -> Oracle:
        """Who judges this schedule."""
        return Oracle(
            self.nodes,
            self.clients,
            self.world.sink,
            self.allowance,
            not self.plan.faults,
            self.ended,
        )

    def _release(self) -> None:
        held = [
            message.queue_id
            for message in messages_of(self.nodes[0])
            if any(recipient.final is None for _, recipient in message.recipients)
        ]
        if held:
            self.story.tell("operators release what they held")
            for queue_id in held:
                for node in self.nodes:
                    node.submit(Command(None, "release", queue_id))
            self.clock.run(self.clock.now + 40_000)

    def close(self) -> None:
        """Give back what the nodes hold."""
        for node in self.nodes:
            node.close()
