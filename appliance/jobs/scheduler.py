"""Runs jobs when they are due, one at a time.

APScheduler keeps the timetable and starts what is due. It reckons with the wall clock, which may be
set at any time: so a job's next moment is always made of how long it is still away by running time
(`_Steady`), the timetable is made anew when the clock was set, and a job that is started too early
because of that is put off. So no step of the clock skips a run or makes one more.
"""

from __future__ import annotations

import asyncio
import sqlite3
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from appliance.jobs.memory import Memory
from appliance.jobs.plan import Past, Plan, due_at
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event
from appliance.monitor.jobs import JobView, Outcome, RunView
from appliance.monitor.ring import Mark, Moment, place

_REMEMBERED = 20
_LOOK_EVERY = 30.0
"""Seconds between looks whether the clock was set."""
_STEP = 2_000
_EARLY = 1_000
"""Milliseconds by which timers may be early."""


class JobFailed(Exception):
    """A job could not do what it is for; `hint` says what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class Job:
    """`run` does it, off the loop where it takes long, and says what came of it, or raises.

    `off`: why it does not run by itself.
    """

    name: str
    what: str
    plan: Plan
    run: Callable[[], Awaitable[str]]
    off: str = ""


class _Steady(BaseTrigger):  # type: ignore[misc]
    """The moment after `away` milliseconds, as the wall clock will show it if nobody sets it."""

    def __init__(self, away: Callable[[], int], every: int) -> None:
        self._away = away
        self._every = every

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """After a start (`previous`) the run itself says when the next one is, at its end."""
        away = self._every if previous is not None else max(0, self._away())
        return now + timedelta(milliseconds=away)


class Scheduler:
    """The jobs of a node. `clock` says the moment; `emit` tells what came of each run."""

    def __init__(
        self, jobs: Sequence[Job], memory: Memory, clock: Callable[[], Moment], emit: Emit
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._memory = memory
        self._clock = clock
        self._emit = emit
        self._thread = ThreadPoolExecutor(1, "jobs")
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._mark = Mark(0, clock())
        self._pasts: dict[str, Past] = {}
        self._last: dict[str, RunView] = {}
        self._failures: Counter[str] = Counter()
        self._one = asyncio.Lock()
        self._waiting: set[str] = set()
        self._running = ""
        self._forgetful = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, look_every: float = _LOOK_EVERY) -> None:
        """Until it is cancelled."""
        try:
            await self._remember()
            self._scheduler.start()
            for job in self._jobs.values():
                if not job.off:
                    self._schedule(job)
            while True:
                await asyncio.sleep(look_every)
                await self.look()
        finally:
            if self._scheduler.running:
                self._scheduler.shutdown(wait=False)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._thread.submit(self._memory.close)
            self._thread.shutdown()

    async def look(self) -> None:
        """Note the moment, and make the timetable anew if the clock was set."""
        was, now = self._mark.moment, self._clock()
        gone = now.running - was.running
        self._mark = Mark(place(self._mark, now), now)
        await self._note(lambda: self._memory.save(self._mark))
        if abs(now.wall - was.wall - gone) > _STEP:
            for name in self._jobs:
                self._replan(name)

    def begin(self, name: str, by: str) -> JobView:
        """Run a job now, or after the one that runs; raises LookupError, Refused."""
        job = self._known(name)
        if name in self._waiting or name == self._running:
            raise Refused(Reply(450, "4.3.0", f"{name} is under way already"), "wait for its end")
        self._waiting.add(name)
        task = asyncio.get_running_loop().create_task(self._execute(job, by))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return self.view(name)

    def views(self) -> tuple[JobView, ...]:
        """How all jobs are."""
        return tuple([self.view(name) for name in self._jobs])

    def view(self, name: str) -> JobView:
        """How a job is; raises LookupError."""
        job = self._known(name)
        away = None if job.off or name not in self._pasts else max(0, self._away(job))
        return JobView(
            name=name,
            what=job.what,
            every=job.plan.every,
            off=job.off,
            running=name == self._running,
            waiting=name in self._waiting,
            next_in=away,
            next_at=None if away is None else self._clock().wall + away,
            last=self._last.get(name),
            failures=self._failures[name],
        )

    async def history(self, name: str | None, limit: int) -> Sequence[RunView]:
        """The latest runs, of one job or of all; raises LookupError, Unavailable."""
        if name is not None:
            self._known(name)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._memory.runs, name, limit)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"what jobs did cannot be read: {error}") from error

    async def prune(self) -> int:
        """Forget old runs; how many."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._memory.prune)

    # Within.

    async def _remember(self) -> None:
        """What is known from before; nothing if that cannot be read."""

        def read() -> None:
            mark = self._memory.mark()
            self._mark = Mark(place(mark, self._mark.moment), self._mark.moment)
            self._memory.save(self._mark)
            for run in self._memory.close_open():
                self._emit(Event.JOB_FAILED, job=run.job, error=run.text, hint=run.hint)
            for name in self._jobs:
                self._memory.meet(name, self._mark.place)
                for run in reversed(self._memory.runs(name, _REMEMBERED)):
                    self._note_outcome(run)
            self._pasts.update(self._memory.pasts())

        await self._note(read)
        for name in self._jobs:
            self._pasts.setdefault(name, Past(self._mark.place))

    def _note_outcome(self, run: RunView) -> None:
        self._last[run.job] = run
        self._failures[run.job] = 0 if run.outcome is Outcome.OK else self._failures[run.job] + 1

    async def _note(self, call: Callable[[], object]) -> None:
        """Something for the file; a full disk costs memory of jobs, not the jobs."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, call)
        except (sqlite3.Error, OSError) as error:
            if not self._forgetful:
                self._emit(Event.JOBS_NOT_REMEMBERED, error=str(error))
            self._forgetful = True
        else:
            self._forgetful = False

    def _known(self, name: str) -> Job:
        try:
            return self._jobs[name]
        except KeyError:
            raise LookupError(f"there is no job {name}") from None

    def _place(self) -> int:
        return place(self._mark, self._clock())

    def _away(self, job: Job) -> int:
        return due_at(job.plan, self._pasts[job.name]) - self._place()

    def _schedule(self, job: Job) -> None:
        self._scheduler.add_job(
            self._fire,
            _Steady(lambda: self._away(job), job.plan.every),
            [job],
            id=job.name,
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )

    def _replan(self, name: str) -> None:
        if self._scheduler.get_job(name) is not None:
            at = self._clock().wall + max(0, self._away(self._jobs[name]))
            self._scheduler.modify_job(name, next_run_time=datetime.fromtimestamp(at / 1000, UTC))

    async def _fire(self, job: Job) -> None:
        """APScheduler says that it is due."""
        if self._away(job) > _EARLY:
            self._replan(job.name)  # the clock was set
        elif job.name not in self._waiting and job.name != self._running:
            self._waiting.add(job.name)
            await self._execute(job, "")

    async def _execute(self, job: Job, by: str) -> None:
        try:
            async with self._one:
                self._waiting.discard(job.name)
                self._running = job.name
                run = await self._do(job, by)
                self._note_outcome(run)
                await self._note(lambda: self._memory.ended(run))
        finally:
            self._waiting.discard(job.name)
            if self._running == job.name:
                self._running = ""
            self._replan(job.name)

    async def _do(self, job: Job, by: str) -> RunView:
        began, at = self._place(), self._clock().wall
        self._pasts[job.name] = Past(began, ran=True, ok=False)
        await self._note(lambda: self._memory.began(job.name, began, at))
        outcome, hint = Outcome.FAILED, ""
        try:
            text = await job.run()
            outcome = Outcome.OK
        except JobFailed as error:
            text, hint = str(error), error.hint
        except Exception as error:
            # Whatever it is: it is told, and neither control nor another job ends because of it.
            text, hint = f"{type(error).__name__}: {error}", "see log/control.log"
            traceback.print_exc()
        took = self._place() - began
        self._pasts[job.name] = Past(began, ran=True, ok=outcome is Outcome.OK)
        if outcome is Outcome.OK:
            self._emit(Event.JOB_DONE, job=job.name, took=took, text=text, by=by)
        else:
            self._emit(Event.JOB_FAILED, job=job.name, took=took, error=text, hint=hint, by=by)
        return RunView(job=job.name, at=at, took=took, outcome=outcome, text=text, hint=hint, by=by)
