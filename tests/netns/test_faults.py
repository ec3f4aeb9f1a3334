"""The faults of one node under the eyes of a client, and what they cost it.

Times are printed, not asserted, but for what must hold on any machine: the mail that got 250 is
there, once or counted, and the address is held by one node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.netns.contender import Contender
from tests.netns.faults import FAULTS, Outcome, measure
from tests.netns.keepalived import Keepalived, installed
from tests.netns.lab import CLIENT, Lab
from tests.netns.report import TIMES, times
from tests.netns.settings import FULL, ROUNDS, SHORT
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import Settings, until
from tests.pair.traffic import NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_FAULTS = [fault for fault in FAULTS if FULL or fault.name in SHORT]
_WIRINGS = list(Wiring) if FULL else [Wiring.TWO]

Record = Callable[[str, object], None]


@pytest.mark.skipif(not FULL, reason="keepalived is measured by `make test-net`")
@pytest.mark.skipif(not installed(), reason="Debian's keepalived is not installed")
async def test_keepalived(lab: Lab, tmp_path: Path, record_property: Record) -> None:
    async with Holders(lab) as holders, Keepalived(lab, tmp_path) as contender:
        await _all_faults(contender, holders, record_property)


@pytest.mark.parametrize("wiring", _WIRINGS, ids=lambda wiring: wiring.name.lower())
async def test_twinpost(wiring: Wiring, lab: Lab, tmp_path: Path, record_property: Record) -> None:
    async with AsyncExitStack() as stack:
        hop = await stack.enter_async_context(NextHop(CLIENT))
        holders = await stack.enter_async_context(Holders(lab))
        settings = Settings(hop=hop.address, clients="192.0.2.0/24")
        pair = await stack.enter_async_context(Twinpost(lab, tmp_path, settings, wiring))
        outcomes = await _all_faults(pair, holders, record_property)
        await _nothing_lost(pair, hop, outcomes)
        for one in outcomes:
            assert one.fault.takeovers in (one.takeovers, None), one.fault.name
        for node in pair.nodes:
            no_bad_signs(node)
        same_on_disk(pair, tmp_path)


async def _all_faults(contender: Contender, holders: Holders, record: Record) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for fault in _FAULTS:
        rounds = [
            await measure(contender, holders, fault, f"{fault.name.replace(' ', '-')}-{number}")
            for number in range(ROUNDS)
        ]
        record(TIMES, times(contender.name, rounds))
        outcomes += rounds
    return outcomes


async def _nothing_lost(pair: Twinpost, hop: NextHop, outcomes: Sequence[Outcome]) -> None:
    accepted = frozenset[str]().union(*(one.probed.tokens for one in outcomes))

    async def arrived() -> bool:
        return accepted <= hop.sink.seen.keys()

    await until(arrived, "delivery of everything that got 250")
    view = await at_rest(pair)
    assert hop.repeated <= view.duplicates + view.doubts
