"""The nodes split while both take mail, and healed.

To repeat one seed: SPLIT_SEED=7 make test-net
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from tests.bench.load import Load
from tests.netns.lab import CLIENT, Lab
from tests.netns.report import NOTE
from tests.netns.settings import FULL, SEED, SPLITS, SPLITS_A_PAIR
from tests.netns.test_faults import Record
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import Settings, until
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, no_bad_signs, same_on_disk

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_SEEDS = [int(SEED)] if SEED else list(range(1, -(-SPLITS // SPLITS_A_PAIR) + 1))
_ONE_ACTIVE_WITHIN = 2.0


@pytest.mark.parametrize("seed", _SEEDS)
async def test_split_and_healed(
    seed: int, lab: Lab, tmp_path: Path, record_property: Record
) -> None:
    choice = Random(seed)
    wiring = choice.choice(list(Wiring))
    async with AsyncExitStack() as stack:
        hop = await stack.enter_async_context(NextHop(CLIENT))
        holders = await stack.enter_async_context(Holders(lab))
        settings = Settings(hop=hop.address, clients="192.0.2.0/24")
        pair = await stack.enter_async_context(Twinpost(lab, tmp_path, settings, wiring))
        flows = [
            Flow(Load(to=node.smtp, run=node.name, connections=4, size=2048)) for node in pair.nodes
        ]
        async with Flows(*flows) as load:
            healed = [await _split(pair, holders, flows, choice) for _ in range(SPLITS_A_PAIR)]
        await all_delivered(load, hop)
        view = await at_rest(pair)
        counted = view.duplicates + view.doubts
        assert hop.repeated <= counted
        for node in pair.nodes:
            no_bad_signs(node)
        same_on_disk(pair, tmp_path)
    longest = max(healed)
    record_property(
        NOTE,
        f"split, seed {seed}, {pair.name}: {load.accepted} got 250, {hop.repeated} came twice, "
        f"{counted} counted; one Active {longest * 1000:.0f} ms after healing at the latest",
    )
    assert not FULL or longest <= _ONE_ACTIVE_WITHIN


async def _split(pair: Twinpost, holders: Holders, flows: list[Flow], choice: Random) -> float:
    """Seconds from healing until one node held the address."""
    await choice.choice(flows).accepts(choice.randint(1, 300))
    pair.lab.split()

    async def both() -> bool:
        return len(holders.names) == len(pair.nodes)

    await until(both, "both nodes Active")
    for node in pair.nodes:
        await node.is_("solo")
    for flow in flows:
        await flow.accepts(choice.randint(1, 300))
    healed = monotonic()
    pair.lab.heal()
    await holders.only()
    last = holders.changes[-1]
    await pair.paired()
    return last.at - healed
