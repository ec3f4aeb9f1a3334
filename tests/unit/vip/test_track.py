"""Commands that say how a node is, as processes."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path

import pytest

from appliance.config.failover import TrackSettings
from appliance.config.units import Duration, LocalName
from appliance.vip.track import Tracker

NEVER = Duration(3_600_000)


async def results(many: int, *command: str, longest: Duration = NEVER) -> list[bool]:
    """The first so many of a command that is run again at once."""
    found: list[bool] = []
    enough = asyncio.Event()

    def note(name: str, passed: bool) -> None:
        assert name == "check"
        found.append(passed)
        if len(found) == many:
            enough.set()

    settings = TrackSettings(
        name=LocalName("check"), command=command, interval=Duration(1), timeout=longest
    )
    running = asyncio.create_task(Tracker(settings, note).run())
    async with asyncio.timeout(60):
        await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return found[:many]


@pytest.mark.parametrize(
    "command, passed",
    [(("/bin/true",), True), (("/bin/false",), False), (("/no/such/program",), False)],
)
async def test_the_exit_code_decides(command: tuple[str, ...], passed: bool) -> None:
    assert await results(2, *command) == [passed, passed]


async def test_one_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = 'sleep 3600 & echo $$ $! > "$0"; wait'
    command = ("/bin/sh", "-c", script, str(pids))
    found: list[str] = []
    while len(found) < 2:  # ended before it could begin, on a busy machine
        assert await results(1, *command, longest=Duration(500)) == [False]
        found = written(pids)
    assert all(ended(int(pid)) for pid in found)


def written(pids: Path) -> list[str]:
    return pids.read_text().split() if pids.exists() else []


def ended(pid: int) -> bool:
    """Wait until the process is dead; its parent may not have noticed."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], 60)[0])
    finally:
        os.close(watched)
