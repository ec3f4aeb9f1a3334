"""Sampling goes on whatever happens, and costs figures only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.control.figures import History, Sampler
from appliance.monitor.events import Event
from appliance.monitor.ring import LEVELS, Moment
from appliance.monitor.snapshot import Snapshot
from tests.support.monitor import snapshot

STEP = LEVELS[0].step


class World:
    def __init__(self, folder: Path) -> None:
        self.now = 0
        self.events: list[str] = []
        self.seen: list[Snapshot | Exception] = []
        self.done = asyncio.Event()
        folder.mkdir()
        self.history = History(folder / "history.db", self._moment, self._emit)

    def _moment(self) -> Moment:
        return Moment("boot", self.now, 1_790_000_000_000 + self.now)

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.events.append(event)

    async def snapshot(self) -> Snapshot:
        if not self.seen:
            self.done.set()
            return snapshot()
        seen = self.seen.pop(0)
        if isinstance(seen, Exception):
            raise seen
        return seen

    async def known(self) -> int:
        told = await self.history.read(["disk.free"], 10 * STEP, 10)
        return sum(one is not None for one in told.curves["disk.free"].mean)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "monitor")
    yield made
    made.history.close()


async def test_a_full_disk_is_told_once_and_its_end_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "monitor").rename(tmp_path / "away")
    for _ in range(3):
        assert await world.history.add({"disk.free": 1.0}) == 0
    (tmp_path / "away").rename(tmp_path / "monitor")
    assert await world.history.add({"disk.free": 1.0})
    assert world.events == [Event.HISTORY_FAILED, Event.HISTORY_WORKS]


async def test_samples_are_taken_in_the_middle_of_slots(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        world.now += round(1000 * seconds)
        await sleep(0)

    monkeypatch.setattr("appliance.control.figures.asyncio.sleep", pause)
    world.now = 9_999
    world.seen = [snapshot()] * 3
    await _run(world)
    assert await world.known() >= 3
    assert pauses[0] == pytest.approx(5.001)
    assert set(pauses[1:]) == {10.0}


async def test_what_nobody_foresaw_costs_a_sample(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr("appliance.control.figures.asyncio.sleep", lambda seconds: sleep(0))
    world.seen = [ValueError("a bug")]
    await _run(world)
    assert world.events == [Event.FAILED]


async def _run(world: World) -> None:
    sampler = Sampler(world, world.history, lambda: world.now / 1000, world._emit)
    running = asyncio.create_task(sampler.run())
    await world.done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
