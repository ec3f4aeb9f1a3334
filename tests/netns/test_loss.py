"""Frames lost by chance between the nodes: two paths bear it, one may not, mail always does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.bench.load import Load
from tests.netns.lab import CLIENT, FRONT, Lab
from tests.netns.report import NOTE
from tests.netns.settings import LOSS_SECONDS
from tests.netns.test_faults import Record
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import Settings
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, same_on_disk

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_PERCENT = 30


@pytest.mark.parametrize("wiring", list(Wiring), ids=lambda wiring: wiring.name.lower())
async def test_loss_on_a_path(
    wiring: Wiring, lab: Lab, tmp_path: Path, record_property: Record
) -> None:
    async with AsyncExitStack() as stack:
        hop = await stack.enter_async_context(NextHop(CLIENT))
        holders = await stack.enter_async_context(Holders(lab))
        settings = Settings(hop=hop.address, clients="192.0.2.0/24")
        pair = await stack.enter_async_context(Twinpost(lab, tmp_path, settings, wiring))
        await holders.only()
        flow = Flow(Load(to=pair.a.smtp, run="loss", connections=2, size=2048))
        async with Flows(flow) as load:
            since = monotonic()
            lab.lose(FRONT, _PERCENT)
            await asyncio.sleep(LOSS_SECONDS)
            lab.heal()
        moved = [change for change in holders.changes if change.at >= since]
        await all_delivered(load, hop)
        view = await at_rest(pair)
        assert hop.repeated <= view.duplicates + view.doubts
        await holders.only()
        same_on_disk(pair, tmp_path)
    record_property(
        NOTE,
        f"{_PERCENT} % loss on one path, {pair.name}, {LOSS_SECONDS:.0f} s: the address came or "
        f"went {len(moved)} times; {load.accepted} got 250, {hop.repeated} came twice",
    )
    if wiring is Wiring.TWO:
        assert not moved
