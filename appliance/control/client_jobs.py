"""The client's calls about jobs."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from appliance.control.client_monitor import Asks
from appliance.control.schema_jobs import Jobs, Runs
from appliance.monitor.jobs import JobView, RunView


class JobCalls:
    """Part of `control.client.Client`."""

    def jobs(self: Asks) -> Sequence[JobView]:
        """How all jobs are."""
        return self._get("/jobs", Jobs).jobs

    def job_history(self: Asks, job: str, limit: int) -> Sequence[RunView]:
        """The latest runs of a job, or of all if it is ""."""
        return self._get(f"/jobs/history?{urlencode({'job': job, 'limit': limit})}", Runs).runs

    def run_job(self: Asks, name: str) -> JobView:
        """Run a job now; it has begun, or waits for another one, when this returns."""
        return self._post(f"/jobs/{quote(name, safe='')}/run", {}, JobView)
