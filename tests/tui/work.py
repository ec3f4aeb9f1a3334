"""Jobs and backups as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.schema_backups import BackupFileView, BackupRun, Backups
from appliance.control.schema_jobs import Jobs, Runs
from appliance.control.schema_reports import Reports, ReportView
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
BACKUPS = Backups(
    target="/media/backup",
    keep=4,
    files=(
        BackupFileView(
            name="twinpost-a-20260921-141320.backup",
            size=734_003_200,
            node="a",
            release="0.1.0",
            at=WHEN,
            recovery_keys=("K7QF-2M9T",),
            problem="",
        ),
        BackupFileView(
            name="holiday\x1b[2J.jpg",
            size=3_000_000,
            node="",
            release="",
            at=0,
            recovery_keys=(),
            problem="this is no backup of Twinpost",
        ),
    ),
    problem="",
    running=BackupRun(
        what="backup",
        path="/media/backup",
        running=True,
        stage="messages",
        done=12_000,
        total=48_000,
        began_at=WHEN,
    ),
    last=None,
)
WORK: Mapping[str, object] = {
    "/backups": BACKUPS,
    "/reports": Reports((ReportView(name="twinpost-a-20260921", at=WHEN, size=310_000),)),
    "/jobs": JOBS,
    "/jobs/history": lambda query, body: Runs(
        tuple(one.last for one in JOBS.jobs if one.last and one.name == query["job"][0])
    ),
}
