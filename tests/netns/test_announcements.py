"""tshark sees gratuitous ARP and unsolicited Neighbor Advertisements at each takeover."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.netns.capture import Announcements, installed
from tests.netns.contender import SMTP
from tests.netns.faults import FAULTS, measure
from tests.netns.lab import CLIENT, VIRTUAL, VIRTUAL6, Lab
from tests.netns.settings import FULL
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import PATIENCE, Settings, until
from tests.pair.traffic import NextHop

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_SHORT = ("link down", "switchover")
_MOVING = [fault for fault in FAULTS if fault.takeovers == 1 and (FULL or fault.name in _SHORT)]


@pytest.mark.skipif(not installed(), reason="Debian's tshark is not installed")
async def test_each_takeover_is_announced(lab: Lab, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        hop = await stack.enter_async_context(NextHop(CLIENT))
        holders = await stack.enter_async_context(Holders(lab))
        heard = await stack.enter_async_context(Announcements(lab.client))
        settings = Settings(hop=hop.address, clients="192.0.2.0/24")
        pair = await stack.enter_async_context(Twinpost(lab, tmp_path, settings, Wiring.ONE))
        for fault in _MOVING:
            before = await holders.settled()
            after = lab.b if before is lab.a else lab.a
            since = heard.now()
            await measure(pair, holders, fault, fault.name.replace(" ", "-"))
            wanted = {(after.hardware, VIRTUAL), (after.hardware, VIRTUAL6)}
            await until(partial(heard.all_of, wanted, since), f"{fault.name}: announcements")
            assert await _greeting(VIRTUAL) == await _greeting(VIRTUAL6)


async def _greeting(address: str) -> bytes:
    """Who greets there: the node's name is in it."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(address, SMTP)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line
