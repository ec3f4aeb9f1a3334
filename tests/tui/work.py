"""Jobs and backups as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.schema_jobs import Jobs, Runs
from appliance.monitor.jobs import JobView, Outcome, RunView

WHEN = 1_790_000_000_000


def run(job: str, outcome: Outcome, text: str, hint: str = "", by: str = "") -> RunView:
    """A run of an hour ago."""
    return RunView(job=job, at=WHEN, took=1234, outcome=outcome, text=text, hint=hint, by=by)


def job(name: str, what: str, last: RunView | None, **more: object) -> JobView:
    """A job that runs each day."""
    return JobView(
        name=name,
        what=what,
        every=86_400_000,
        off=str(more.get("off", "")),
        running=bool(more.get("running")),
        waiting=False,
        next_in=None if more.get("off") else 3_600_000,
        next_at=None,
        last=last,
        failures=0,
    )


BACKUP = run("backup", Outcome.FAILED, "The stick at /media/backup is full.", "use a larger one")
OK = run("self-test", Outcome.OK, "300 messages read back.", by="anna")
JOBS = Jobs(
    (
        job("backup", "A backup into the folder that node.toml names.", BACKUP),
        job("self-test", "Reads stored mail back and compares digests.", OK, running=True),
        job("report", "The health report.", None, off="no folder is set"),
    )
)
WORK: Mapping[str, object] = {
    "/jobs": JOBS,
    "/jobs/history": lambda query, body: Runs(
        tuple(one.last for one in JOBS.jobs if one.last and one.name == query["job"][0])
    ),
}
