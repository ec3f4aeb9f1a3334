"""Scenarios of the pair as text, played in virtual time.

    send q1 to a; run 1
    ----
    3.004 a: 250 q1 in paired
    a paired   b paired   # q1 delivered by a

Above the line: `adopt SECONDS`, `stale SECONDS` and `paths NUMBER` (in the first block, before the
nodes start; with heartbeat paths there is a virtual address), `send NAME to NODE` (`to vip`: to who
holds it), `run SECONDS`, `power NODE`, `kill NODE` (its spool), `delivery NODE` (kill its
delivery), `boot NODE`, `stop NODE SECONDS` (SIGSTOP of its spool), `split`, `heal`, `cut` (only the
link), `pace SECONDS` (what an attempt takes to come to DATA), `defer` and `take` (what the next hop
does from now on), `hold`, `release`, `remove NODE NAME`, `hand-over NODE`, `take-over NODE`,
`remember` (images of the disks), `restore NODE`, `replace NODE` (another machine, an empty disk).
With a virtual address: `switchover NODE` (away from it), `maintenance NODE on`, `shutdown NODE`,
`pause NODE SECONDS` (SIGSTOP of all of it), `failover NODE` (kill that process), `loss PATH N%`.
Below it: what happened, by seconds since the start, then the nodes and the messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.replica.pair import Timing
from tests.sim.addresses import Addresses
from tests.sim.client import Client
from tests.sim.failover import FailoverProcess
from tests.sim.node import Node
from tests.sim.scenario import Scenario
from tests.sim.wires import Wire
from tests.support.disk import Image

LINE = "----"
TIMING = ("adopt", "stale", "paths")


def play(text: str) -> str:
    """The same text with what came of it."""
    blocks = [block.split(f"\n{LINE}", 1)[0] for block in text.strip().split("\n\n")]
    given = {words[0]: int(words[1]) for words in _commands(blocks[0]) if words[0] in TIMING}
    script = Script(_timing(given), given.get("paths", 0))
    with script.pair:
        played = ["\n".join([block, LINE, *script.play(block)]) for block in blocks]
    return "\n\n".join(played) + "\n"


def _commands(block: str) -> Iterator[list[str]]:
    for line in block.splitlines():
        if not line.startswith("#"):
            yield from (command.split() for command in line.split(";") if command.strip())


def _timing(given: dict[str, int]) -> Timing:
    usual = Timing()
    return Timing(
        adopt_delay=given.get("adopt", usual.adopt_delay // 1000) * 1000,
        stale_wait=given.get("stale", usual.stale_wait // 1000) * 1000,
    )


class Script:
    """One text being played."""

    def __init__(self, timing: Timing, paths: int) -> None:
        self.pair = Scenario(timing, "golden", paths)
        self._clients: dict[str, Client] = {}
        self._images: dict[str, Image] = {}
        self._nodes = {node.name: node for node in self.pair.nodes}
        self._told = 0
        self.pair.world.sink.pace = 0

    def play(self, block: str) -> Iterator[str]:
        """What came of one block, as lines."""
        for verb, *words in _commands(block):
            if verb not in TIMING:
                self._do(verb, words)
        lines = self.pair.world.story.lines
        yield from (self._named(line.strip()) for line in lines[self._told :])
        self._told = len(lines)
        nodes = "   ".join(f"{node.name} {self._mode(node)}" for node in self.pair.nodes)
        messages = ", ".join(f"{name} {self._fate(one)}" for name, one in self._clients.items())
        yield f"{nodes}   # {messages}" if messages else nodes

    def _do(self, verb: str, words: list[str]) -> None:
        pair, world = self.pair, self.pair.world
        if not words:
            self._happen(verb)
        elif verb == "run":
            pair.run(float(words[0]))
        elif verb == "pace":
            world.sink.pace = int(float(words[0]) * 1000)
        elif verb == "send":
            name, _, node = words
            self._clients[name] = pair.send(self._nodes.get(node), f"{name}@one.test")
        elif verb == "loss":
            number, percent = int(words[0]), int(words[1].removesuffix("%"))
            self._addresses.wires.become(Wire(loss=percent / 100), number)
        else:
            self._strike(verb, self._nodes[words[0]], words[1:])

    def _happen(self, verb: str) -> None:
        pair, world = self.pair, self.pair.world
        match verb:
            case "split":
                pair.split()
            case "heal":
                pair.heal()
            case "cut":
                world.network.cut()
            case "defer" | "take":
                world.sink.trouble = float(verb == "defer")
            case "remember":
                self._images = {node.name: node.disk.snapshot() for node in pair.nodes}
            case _:
                raise ValueError(f"no command {verb}")

    def _strike(self, verb: str, node: Node, words: list[str]) -> None:
        simple = {
            "power": node.power_cut,
            "kill": node.kill,
            "delivery": node.kill_delivery,
            "boot": node.boot,
            "shutdown": node.shut_down,
        }
        match verb:
            case "stop":
                node.stall(int(words[0]) * 1000, whole=False)
            case "pause":
                node.stall(int(words[0]) * 1000, whole=True)
            case "failover":
                self._process(node).kill()
            case "maintenance" | "switchover" | "hand-over" | "take-over":
                self._operate(verb, node, words)
            case "restore":
                node.restore(self._images[node.name])
            case "replace":
                node.wipe(replaced=True)
            case "hold" | "release" | "remove":
                self.pair.command(node, verb, self._clients[words[0]])
            case _:
                simple[verb]()

    def _operate(self, verb: str, node: Node, words: list[str]) -> None:
        match verb:
            case "hand-over":
                self.pair.hand_over(node)
            case "take-over":
                self.pair.take_over(node)
            case "maintenance":
                self.pair.world.story.tell(f"{node.name}: operator says {verb} {words[0]}")
                self._process(node).maintain(words[0] == "on")
            case "switchover":
                self.pair.world.story.tell(f"{node.name}: operator says {verb}")
                self._addresses.move(node, verb)

    @property
    def _addresses(self) -> Addresses:
        assert self.pair.addresses is not None, "say `paths 1` first"
        return self.pair.addresses

    def _process(self, node: Node) -> FailoverProcess:
        assert node.failover is not None, "say `paths 1` first"
        return node.failover

    def _named(self, line: str) -> str:
        for name, client in self._clients.items():
            if client.queue_id:
                line = line.replace(client.queue_id, name)
        return line

    def _mode(self, node: Node) -> str:
        if not node.up:
            return "off"
        address = " VIP" if node.failover and node.failover.held else ""
        return f"{node.engine.pair.mode}{'' if node.answers else ' (stopped)'}{address}"

    def _fate(self, client: Client) -> str:
        address = client.recipients[0]
        by = {
            node.name: self.pair.world.sink.received_from[client.token, address, node.name]
            for node in self.pair.nodes
        }
        times = sum(by.values())
        if not times:
            return self._standing(client)
        who = " and ".join(name for name, count in by.items() if count)
        return f"delivered by {who}{f', {times} times' * (times > 1)}{self._counted(client)}"

    def _counted(self, client: Client) -> str:
        """The duplicates and doubts that the nodes know of."""
        (known, *_) = (node for node in self.pair.nodes if node.up)
        if not known.engine.store.holds(client.queue_id):
            return ""
        duplicates = self.pair.entry(known, client).state.recipients[0].duplicates
        return f", {duplicates} counted" if duplicates else ""

    def _standing(self, client: Client) -> str:
        """Where a message waits, as the nodes that are up see it."""
        seen = dict.fromkeys(self._seen(node, client) for node in self.pair.nodes if node.up)
        return " or ".join(seen) or "waits on a disk"

    def _seen(self, node: Node, client: Client) -> str:
        store = node.engine.store
        if not store.holds(client.queue_id):
            return f"unknown to {node.name}"
        entry = self.pair.entry(node, client)
        (recipient,) = entry.state.recipients
        lane = store.lanes.of(entry.key >> 40, entry.state.seq)
        owner = store.lanes.owner(lane, store.ownership).decode()[:1] or "nobody yet"
        if recipient.final is not None:
            return recipient.final.name.lower()
        standing = "held" if recipient.log.held else "leased" if recipient.leased else "queued"
        return f"{standing}, owned by {owner}"
