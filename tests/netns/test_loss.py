"""Frames lost by chance between the nodes: two paths bear it, one may not, mail always does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.bench.load import Load
from tests.netns.lab import BACK, BRIDGES, CLIENT, FRONT, Lab
from tests.netns.report import NOTE
from tests.netns.settings import FULL, LOSS_SECONDS
from tests.netns.test_faults import Record
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import Settings
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, same_on_disk

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_PERCENT = 30
_LONG = pytest.mark.skipif(not FULL, reason="one of two paths is enough but for `make test-net`")


@pytest.mark.parametrize(
    "wiring,bridge",
    [
        pytest.param(Wiring.ONE, FRONT, id="the only one"),
        pytest.param(Wiring.TWO, FRONT, id="the one without the link"),
        pytest.param(Wiring.TWO, BACK, id="the one with the link", marks=_LONG),
    ],
)
async def test_loss_on_a_path(
    wiring: Wiring, bridge: int, lab: Lab, tmp_path: Path, record_property: Record
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
            lab.lose(bridge, _PERCENT)
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
        f"{_PERCENT} % loss on the {BRIDGES[bridge]} bridge, {pair.name}, {LOSS_SECONDS:.0f} s: "
        f"the address came or went {len(moved)} times; "
        f"{load.accepted} got 250, {hop.repeated} came twice",
    )
    if wiring is Wiring.TWO:
        assert not moved
