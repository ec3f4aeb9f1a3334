"""Operators who change the site on either node, whatever is going on, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from appliance.replica.pair import Mode
from appliance.spool.operations import ChangeSite, PutRegisters, SeedSite
from tests.sim.delivery import Then
from tests.sim.node import Node
from tests.sim.oracle import expect
from tests.sim.world import Story

TABLE, SHARED = "table", "shared"


@dataclass
class Act:
    """A change that was asked for: `told` in which mode it was done, None if it was not."""

    node: Node
    document: bytes
    told: Mode | None = None
    excused: bool = False
    """It was on one disk only, without the promise, when that disk was lost."""


class SiteOperators:
    """Change the document and registers; a register of its own shows that nothing is lost."""

    def __init__(self, rng: Random, story: Story) -> None:
        self._rng, self._story = rng, story
        self.acts: list[Act] = []

    def act(self, nodes: list[Node]) -> None:
        """One of them does something, on a node that is up."""
        up = [node for node in nodes if node.up]
        if not up:
            return
        node = self._rng.choice(up)
        act = Act(node, b"document %d" % len(self.acts))
        alone = self._rng.random() < 0.7
        self.acts.append(act)
        match self._rng.choice(["change", "change", "settle", "put", "delete", "seed"]):
            case "seed":
                self._story.tell(f"{node.name}: site.toml says {act.document.decode()}")
                node.submit(SeedSite(act.document))
            case "change":
                self._change(act, (), alone)
            case "settle":
                branches = node.engine.store.site.lineage.branches
                self._change(act, tuple(one.id for one in branches), alone)
            case verb:
                self._put(act, None if verb == "delete" else act.document, alone)

    def _change(self, act: Act, settles: tuple[bytes, ...], alone: bool) -> None:
        head = act.node.engine.store.site.lineage.head
        parent = head.id if head else b""
        wall = self._rng.randint(0, 1 << 40)
        act.node.submit(
            ChangeSite(self._told(act), act.document, parent, "root", wall, "", settles, alone)
        )

    def _put(self, act: Act, shared: bytes | None, alone: bool) -> None:
        values = [(TABLE, act.document.decode(), b"mine"), (TABLE, SHARED, shared)]
        act.node.submit(PutRegisters(self._told(act), values, alone))

    def _told(self, act: Act) -> Then:
        def told(_: object) -> None:
            act.told = act.node.engine.pair.mode
            what = f"the site has {act.document.decode()}, {act.told}"
            self._story.tell(f"{act.node.name}: {what}")

        return Then(told)

    def lost(self, node: Node) -> None:
        """The disk of a node is lost, with what was promised for that disk only."""
        for act in self.acts:
            act.excused |= act.node is node and act.told is not Mode.PAIRED

    def judge(self, nodes: list[Node]) -> None:
        """What was answered is on both nodes; that they agree, the dumps show. Raises Violated."""
        for node in nodes:
            site = node.engine.store.site
            have = {site.version(one.id).document for one in site.lineage}
            have |= {key.encode() for key in site.table(TABLE)}
            for act in self.acts:
                if act.told is not None and not act.excused:
                    what = f"{act.document.decode()} (in {act.told}) is not on {node.name}"
                    expect(act.document in have, what)
            for one in site.lineage:
                known = not one.parent or one.parent in site.lineage
                expect(known, f"a version on {node.name} has no parent")
