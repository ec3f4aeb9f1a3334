"""Full SMTP load on both cores moves no address: a node that is busy is not dead."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from tests.bench.processes import LoadFigures, SinkProcess
from tests.netns.contender import SMTP
from tests.netns.lab import CLIENT, VIRTUAL, Lab
from tests.netns.report import NOTE
from tests.netns.settings import FULL, LOAD_SECONDS
from tests.netns.test_faults import Record
from tests.netns.twinpost import Twinpost, Wiring
from tests.netns.watch import Holders
from tests.pair.harness import Settings

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_CONNECTIONS = 20
_MESSAGES = 1000  # of one connection: a server takes 10,000 at most


@pytest.mark.skipif(not FULL, reason="the long load is for `make test-net`")
async def test_load_moves_nothing(lab: Lab, tmp_path: Path, record_property: Record) -> None:
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(SinkProcess(CLIENT))
        holders = await stack.enter_async_context(Holders(lab))
        settings = Settings(hop="{}:{}".format(*sink.listen), clients="192.0.2.0/24")
        await stack.enter_async_context(Twinpost(lab, tmp_path, settings, Wiring.ONE))
        await holders.settled()
        since = monotonic()
        loading = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.load", "--to", f"{VIRTUAL}:{SMTP}"),
            *("--run", "load", "--connections", str(_CONNECTIONS)),
            *("--per-connection", str(_MESSAGES)),
            *("--seconds", str(LOAD_SECONDS)),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await loading.communicate()
        figures = msgspec.json.decode(told, type=LoadFigures)
        moved = [change for change in holders.changes if change.at >= since]
    record_property(
        NOTE,
        f"{figures.seconds:.0f} s of full load: {figures.accepted} got 250, "
        f"{figures.accepted / figures.seconds:.0f} a second; the address moved {len(moved)} times",
    )
    assert not moved
    assert not figures.errors
    assert figures.seconds > LOAD_SECONDS - 1
