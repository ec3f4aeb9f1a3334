"""Jobs over the control API: how they are, what they did, and one of them now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, user
from appliance.control.roles import Role
from appliance.control.schema import PAGE_LIMIT
from appliance.control.schema_jobs import Jobs, Runs
from appliance.monitor.jobs import JobView, RunView

_DEFAULT_PAGE = 50


class RunsJobs(Protocol):
    """The scheduler. A name that is no job's raises LookupError."""

    def views(self) -> tuple[JobView, ...]:
        """How all jobs are."""

    def begin(self, name: str, by: str) -> JobView:
        """Run a job now; returns at once. Raises Refused."""

    async def history(self, name: str | None, limit: int) -> Sequence[RunView]:
        """The latest runs, of one job or of all; raises Unavailable."""


class JobsApi:
    """The handlers of the Unix socket that are about jobs."""

    def __init__(self, scheduler: RunsJobs) -> None:
        self._scheduler = scheduler

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/jobs", self.jobs, Role.VIEWER)
        handlers.get("/jobs/history", self.history, Role.VIEWER)
        handlers.post("/jobs/{name}/run", self.run, Role.OPERATOR, "run job {name}")

    async def jobs(self, request: web.Request) -> web.Response:
        return as_json(Jobs(self._scheduler.views()))

    async def history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", str(_DEFAULT_PAGE))
        if not limit.isascii() or not limit.isdecimal() or not 0 < int(limit) <= PAGE_LIMIT:
            raise BadRequest(f"limit {limit!r}", f"1 to {PAGE_LIMIT}")
        name = request.query.get("job") or None
        return as_json(Runs(tuple(await self._scheduler.history(name, int(limit)))))

    async def run(self, request: web.Request) -> web.Response:
        return as_json(self._scheduler.begin(request.match_info["name"], user(request)), 202)
