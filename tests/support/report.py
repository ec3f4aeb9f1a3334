"""Two nodes as a report sees them, from fixed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.control.report_seen import POINTS, Seen
from appliance.control.schema import MailboxList, Status, Virtual
from appliance.control.schema_history import CurveView, HistoryView
from appliance.ipc.search import SearchView
from appliance.mail.views import MailboxView, QueueCounts
from appliance.monitor.jobs import JobView, Outcome, RunView
from appliance.monitor.snapshot import Disk, Process
from tests.support.control import FAILOVER, MAIL, TLS

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_795_867_200_000
GIB = 1 << 30
Values = tuple[float | None, ...]


def status(name: str = "a", **changes: Any) -> Status:
    made = Status(
        name=name,
        hostname=f"{name}.site.test",
        version="1.0",
        healthy=True,
        summary="Healthy.",
        mode="paired",
        mail=msgspec.structs.replace(MAIL, accepted=7, delivered=9),
        queue=QueueCounts(queued=1, deferred=2),
        processes=(Process(name="mail", state="ready", pid=1, restarts=0),),
        disk=Disk(free=50 * GIB, total=100 * GIB),
        virtual=(Virtual(address="127.0.0.10", here=name == "a"),),
        failover=FAILOVER,
        tls=TLS,
        alarms=(),
    )
    return msgspec.structs.replace(made, **changes)


def history(**curves: Values) -> HistoryView:
    """A week by the hour; keywords are names of metrics with "_" for "."."""
    return HistoryView(
        node="a",
        start=NOW - POINTS * HOUR,
        step=HOUR,
        points=POINTS,
        curves=tuple(
            CurveView(
                metric=name.replace("_", ".", 1),
                unit="",
                title="",
                least=values,
                mean=values,
                greatest=values,
            )
            for name, values in curves.items()
        ),
    )


def job(name: str, **changes: Any) -> JobView:
    made = JobView(
        name=name,
        what="",
        every=DAY,
        off="",
        running=False,
        waiting=False,
        next_in=HOUR,
        next_at=NOW + HOUR,
        last=run(name),
        failures=0,
    )
    return msgspec.structs.replace(made, **changes)


def run(job: str, **changes: Any) -> RunView:
    made = RunView(
        job=job, at=NOW - 2 * HOUR, took=5, outcome=Outcome.OK, text="well", hint="", by=""
    )
    return msgspec.structs.replace(made, **changes)


def seen(name: str = "a", **changes: Any) -> Seen:
    fields: Mapping[str, Any] = {
        "name": name,
        "minutes": 7 * 24 * 60,
        "status": status(name),
        "history": history(disk_free=(50.0 * GIB,) * POINTS, mail_accepted=(0.5,) * POINTS),
        "jobs": (job("backup"), job("self-test")),
        "runs": (run("backup"),),
        "search": SearchView(
            activity="idle",
            documents=5,
            waiting=0,
            lag=0,
            total=5,
            complete=True,
            partitions=1,
            damaged=0,
            size=4096,
        ),
        "mailboxes": MailboxList((MailboxView(name="bob", messages=4, size=10),)),
    }
    return Seen(**{**fields, **changes})
