"""kill -9 of each process, of a node, of both, at seeded moments under load.

`make test` does 10 rounds, `make test-crash ROUNDS=200` more. A round is one kill, at a seeded
number of 250s; several rounds hit one pair. To repeat one:

    CRASH_SEED=7 make test-crash
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.bench.load import Load
from tests.pair.harness import LEASES, Cluster, Node, Settings
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, no_bad_signs, same_on_disk

_ROUNDS_A_PAIR = 5
_VICTIMS = ("mail", "mail", "delivery", "delivery", "control", "node", "node", "both")
_ROUNDS = int(os.environ.get("CRASH_ROUNDS", "10"))
_SEED = os.environ.get("CRASH_SEED")
_SEEDS = [int(_SEED)] if _SEED else list(range(1, -(-_ROUNDS // _ROUNDS_A_PAIR) + 1))


class Story:
    """What was done, for a test that failed; counts the leases that a kill may have cut off."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lines = [f"To repeat it: CRASH_SEED={seed} make test-crash"]
        self.may_be_open = 0

    def tell(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.crash
@pytest.mark.parametrize("seed", _SEEDS)
async def test_killed_processes_lose_nothing(seed: int, tmp_path: Path) -> None:
    story = Story(seed)
    try:
        async with NextHop("127.0.0.1") as hop:
            settings = Settings(hop=hop.address)
            async with Cluster(tmp_path, settings) as cluster:
                await _rounds(cluster, hop, story, tmp_path)
    except BaseException as error:
        error.add_note("\n".join(story.lines))
        raise


async def _rounds(cluster: Cluster, hop: NextHop, story: Story, folder: Path) -> None:
    a, b = (
        Flow(Load(to=node.smtp, run=node.name, connections=4, size=2048)) for node in cluster.nodes
    )
    async with Flows(a, b) as flows:
        for _ in range(_ROUNDS_A_PAIR):
            await _round(cluster, flows, story)
        await b.accepts(100)
    story.tell(f"{flows.accepted} got 250; clients saw {dict(a.errors + b.errors)}")
    await all_delivered(flows, hop)
    view = await at_rest(cluster)
    counted = view.duplicates + view.doubts
    story.tell(f"{hop.repeated} came again, {counted} counted, {story.may_be_open} may be")
    assert hop.repeated <= counted <= story.may_be_open
    for node in cluster.nodes:
        no_bad_signs(node)
    same_on_disk(cluster, folder)


async def _round(cluster: Cluster, flows: Flows, story: Story) -> None:
    """Kill something at some moment; return when the pair is whole again. Mail goes on."""
    choice = story.random
    victim, node = choice.choice(_VICTIMS), choice.choice(cluster.nodes)
    moment, flow = choice.randint(1, 800), choice.choice(flows.flows)
    story.tell(f"after {moment} more at {flow.load.run}: kill -9 {victim} of {node.name}")
    await flow.accepts(moment)
    await _kill(cluster, victim, node, story)
    await cluster.paired()


async def _kill(cluster: Cluster, victim: str, node: Node, story: Story) -> None:
    match victim:
        case "both":
            cluster.kill()
            for each in cluster.nodes:
                each.start()
            story.may_be_open += 2 * LEASES
        case "node":
            node.kill()
            node.start()
            story.may_be_open += LEASES
        case _:
            await node.kill_service(victim)
            story.may_be_open += LEASES if victim != "control" else 0
