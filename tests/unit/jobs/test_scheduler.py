"""Jobs run when they are due by running time, once, whatever the wall clock does meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from apscheduler.schedulers import base

from appliance.jobs.memory import KEPT, Memory
from appliance.jobs.plan import DAY, HOUR, Plan
from appliance.jobs.scheduler import Job, JobFailed, Scheduler
from appliance.mail.reply import Refused
from appliance.monitor.jobs import Outcome, RunView
from appliance.monitor.ring import Moment
from tests.support.patience import patiently

START = 1_800_000_000_000
YEAR = 365 * DAY


class World:
    """The clocks, and what was told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moment = Moment("boot", 1_000_000, START)
        self.events: list[tuple[str, dict[str, object]]] = []
        self.runs: list[str] = []
        self.fail = ""
        self.gate: asyncio.Event | None = None

    def passes(self, milliseconds: int) -> None:
        now = self.moment
        self.moment = replace(now, running=now.running + milliseconds, wall=now.wall + milliseconds)

    def is_set(self, milliseconds: int) -> None:
        """Somebody sets the wall clock."""
        self.moment = replace(self.moment, wall=self.moment.wall + milliseconds)

    def reboots(self, away: int) -> None:
        """The machine is off, for so long by its clock."""
        self.moment = Moment(self.moment.boot + "'", 5_000, self.moment.wall + away)

    def emit(self, event: str, queue_id: str = "", **values: object) -> None:
        self.events.append((str(event), values))

    def job(self, name: str = "backup", plan: Plan | None = None) -> Job:
        async def run() -> str:
            self.runs.append(name)
            if self.gate is not None:
                await self.gate.wait()
            if self.fail:
                raise JobFailed(self.fail, "a hint")
            return "well"

        return Job(name, "does it", plan or Plan(DAY), run)

    def memory(self) -> Memory:
        return Memory(self.path, lambda why: self.emit("damaged", error=why))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "jobs.db")

    class Clock(datetime):
        """APScheduler's clock is the world's."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(made.moment.wall / 1000, tz or UTC)

    monkeypatch.setattr(base, "datetime", Clock)
    return made


@asynccontextmanager
async def running(world: World, *jobs: Job) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(jobs or [world.job()], world.memory(), lambda: world.moment, world.emit)
    task = asyncio.create_task(scheduler.run(look_every=3600))
    try:
        await until(lambda: scheduler._scheduler.running or task.done())
        yield scheduler
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop go on until something holds."""

    async def look() -> None:
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)

    await patiently(look())


async def settled(scheduler: Scheduler) -> None:
    """The timer has rung, and what it started has ended."""
    for _ in range(2):
        scheduler._scheduler.wakeup()
        for _ in range(20):
            await asyncio.sleep(0)
        await until(lambda: not any(one.running or one.waiting for one in scheduler.views()))


async def test_a_job_runs_when_it_is_due_and_not_before(world: World) -> None:
    async with running(world) as scheduler:
        await settled(scheduler)
        assert world.runs == []
        assert scheduler.view("backup").next_in == 5 * 60_000
        world.passes(5 * 60_000)
        await settled(scheduler)
        assert world.runs == ["backup"]
        view = scheduler.view("backup")
        assert view.last is not None
        assert (view.last.outcome, view.last.text, view.last.by) == (Outcome.OK, "well", "")
        assert (view.next_in, view.next_at) == (DAY, world.moment.wall + DAY)
        world.passes(DAY - 1000 - 1)
        await settled(scheduler)
        assert len(world.runs) == 1
        world.passes(1001)
        await settled(scheduler)
        assert len(world.runs) == 2


@pytest.mark.parametrize("step", [YEAR, 70 * YEAR, -YEAR, -50 * YEAR, HOUR, -HOUR])
async def test_a_step_of_the_clock_neither_skips_nor_repeats(world: World, step: int) -> None:
    async with running(world) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
        assert len(world.runs) == 1
        world.passes(HOUR)
        world.is_set(step)
        await settled(scheduler)  # a timer rings before anybody looks at the clock
        assert len(world.runs) == 1
        assert scheduler.view("backup").next_in == 23 * HOUR
        await scheduler.look()
        await settled(scheduler)
        assert len(world.runs) == 1
        world.passes(23 * HOUR)
        await settled(scheduler)
        assert len(world.runs) == 2
        assert scheduler.view("backup").next_in == DAY


async def test_what_was_missed_is_caught_up_once(world: World) -> None:
    async with running(world) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
    world.reboots(9 * DAY)
    async with running(world) as scheduler:
        await settled(scheduler)
        await settled(scheduler)
        assert len(world.runs) == 2
        assert scheduler.view("backup").next_in == DAY
    world.reboots(HOUR)
    async with running(world) as scheduler:
        await settled(scheduler)
        assert len(world.runs) == 2
        assert scheduler.view("backup").next_in == 23 * HOUR


async def test_reboots_with_impossible_clocks_make_no_storm(world: World) -> None:
    async with running(world) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
    for away in (-30 * YEAR, 60 * YEAR, -30 * YEAR, 60 * YEAR, -1):
        world.reboots(away)
        async with running(world) as scheduler:
            await settled(scheduler)
    assert len(world.runs) == 1


async def test_a_failure_is_told_remembered_and_tried_again_sooner(world: World) -> None:
    world.fail = "the stick is not in"
    async with running(world) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
        view = scheduler.view("backup")
        assert view.last is not None
        assert (view.last.outcome, view.last.hint, view.failures) == (Outcome.FAILED, "a hint", 1)
        assert view.next_in == HOUR
        assert world.events[-1][0] == "job_failed"
        assert world.events[-1][1]["error"] == "the stick is not in"
    async with running(world) as scheduler:
        assert scheduler.view("backup").failures == 1
        world.passes(HOUR)
        await settled(scheduler)
        assert scheduler.view("backup").failures == 2
        world.fail = ""
        world.passes(HOUR)
        await settled(scheduler)
        assert scheduler.view("backup").failures == 0
        runs = await scheduler.history("backup", 10)
        assert [run.outcome for run in runs] == [Outcome.OK, Outcome.FAILED, Outcome.FAILED]


async def test_a_bug_in_a_job_is_a_failure_of_that_job_only(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> str:
        raise ZeroDivisionError("bug")

    async with running(world, Job("broken", "", Plan(DAY), broken), world.job()) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
        last = scheduler.view("broken").last
        assert last is not None
        assert last.text == "ZeroDivisionError: bug"
        assert world.runs == ["backup"]
    assert "ZeroDivisionError" in capsys.readouterr().err


async def test_a_run_that_its_process_did_not_survive_is_interrupted(world: World) -> None:
    world.gate = asyncio.Event()
    async with running(world) as scheduler:
        scheduler.begin("backup", "root")
        await until(lambda: bool(world.runs))
    world.gate = None
    async with running(world) as scheduler:
        view = scheduler.view("backup")
        assert view.last is not None
        assert (view.last.outcome, view.failures) == (Outcome.INTERRUPTED, 1)
        assert view.next_in == HOUR
        assert ("job_failed", "backup") in [(e, v.get("job")) for e, v in world.events]


async def test_one_at_a_time_and_none_twice(world: World) -> None:
    world.gate = asyncio.Event()
    async with running(world, world.job("one"), world.job("two")) as scheduler:
        scheduler.begin("one", "root")
        await until(lambda: world.runs == ["one"])
        assert scheduler.begin("two", "root").waiting
        for name in ("one", "two"):
            with pytest.raises(Refused):
                scheduler.begin(name, "root")
        with pytest.raises(LookupError):
            scheduler.begin("three", "root")
        world.passes(5 * 60_000)  # both are due by themselves, too
        scheduler._scheduler.wakeup()
        await asyncio.sleep(0)
        assert world.runs == ["one"]
        world.gate.set()
        await settled(scheduler)
        assert world.runs == ["one", "two"]
        last = scheduler.view("two").last
        assert last is not None
        assert last.by == "root"


async def test_a_job_that_is_off_runs_only_when_it_is_told_to(world: World) -> None:
    async with running(world, replace(world.job(), off="no folder")) as scheduler:
        world.passes(100 * DAY)
        await settled(scheduler)
        assert world.runs == []
        assert scheduler.view("backup").next_in is None
        scheduler.begin("backup", "root")
        await settled(scheduler)
        assert world.runs == ["backup"]


async def test_a_damaged_file_costs_memory_only(world: World) -> None:
    world.path.write_bytes(b"no database at all, but a long text" * 100)
    async with running(world) as scheduler:
        assert [event for event, _ in world.events] == ["damaged"]
        world.passes(5 * 60_000)
        await settled(scheduler)
        assert len(world.runs) == 1


async def test_a_full_disk_costs_memory_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Memory, *arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for name in ("began", "ended", "save"):
        monkeypatch.setattr(Memory, name, full)
    async with running(world) as scheduler:
        world.passes(5 * 60_000)
        await settled(scheduler)
        await settled(scheduler)
        assert len(world.runs) == 1
        assert [event for event, _ in world.events] == ["jobs_not_remembered", "job_done"]


def test_old_runs_are_forgotten(world: World) -> None:
    memory = world.memory()
    run = RunView(job="a", at=1, took=2, outcome=Outcome.OK, text="t", hint="", by="")
    for _ in range(KEPT + 7):
        memory.ended(run)
    assert memory.prune() == 7
    assert len(memory.runs(None, 10_000)) == KEPT
    memory.close()
