"""The jobs of a node: what each does, wired to what it is about."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw

from appliance.config import Layout, NodeSettings
from appliance.control.backup_worker import BackupWorker
from appliance.control.observer import Observer
from appliance.control.search import Searching
from appliance.jobs.memory import Memory
from appliance.jobs.plan import DAY, HOUR, Plan
from appliance.jobs.scheduler import Job, JobFailed, Scheduler
from appliance.jobs.selftest import SLOW_SYNC, Finding, self_test, sync_time
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event
from appliance.monitor.ring import Moment
from appliance.spool.sampling import sample

_SAMPLE = 200
_NO_TARGET = "no folder is set: backup.target in node.toml"
_DAYS_LEFT = 14
_RESERVES = 2
"""So many times `disk_reserve` should be free: search and backups stop before mail does."""


@dataclass(frozen=True)
class Surroundings:
    """What the jobs are about."""

    layout: Layout
    node: NodeSettings
    observer: Observer
    backups: BackupWorker
    search: Searching | None


def scheduler(
    around: Surroundings, jobs: Sequence[Job], clock: Callable[[], Moment], emit: Emit
) -> Scheduler:
    """The scheduler of a node, with what it remembers in DATA/monitor."""
    memory = Memory(
        around.layout.monitor / "jobs.db",
        lambda why: emit(Event.MONITOR_FILE_DAMAGED, file="jobs.db", error=why),
    )
    made: Scheduler

    async def retention() -> str:
        return f"{await made.prune()} old runs of jobs forgotten"

    keep = Job("retention", "forgets what is old", Plan(DAY), retention)
    made = Scheduler([*node_jobs(around), *jobs, keep], memory, clock, emit)
    return made


def node_jobs(around: Surroundings) -> Sequence[Job]:
    """All but those of the report."""
    backup = around.node.backup
    off = "" if backup.target else _NO_TARGET
    return (
        Job("backup", "makes a backup", Plan(int(backup.every)), lambda: _backup(around), off),
        Job(
            "self-test",
            "reads back stored mail, looks at disk, index and peer",
            Plan(DAY),
            lambda: _self_test(around),
        ),
        Job(
            "certificates",
            "looks how long certificates are good; mail renews them by itself",
            Plan(6 * HOUR),
            lambda: _certificates(around),
        ),
        Job("optimise", "tidies the monitor's files", Plan(7 * DAY), lambda: _optimise(around)),
    )


async def _backup(around: Surroundings) -> str:
    if not around.node.backup.target:
        raise JobFailed(_NO_TARGET, "or name one: `twinpost backup create --to DIR`")
    try:
        around.backups.begin("create", around.node.backup.target)
    except Refused as refused:
        raise JobFailed(refused.reply.text, refused.hint) from refused
    run = await around.backups.finish()
    if not run.ok:
        raise JobFailed(run.error, run.hint)
    if run.damaged:
        raise JobFailed(
            f"{run.name} lacks {run.damaged} messages or places that cannot be read",
            "see docs/backup.md; the other node may still have them",
        )
    return f"{run.name}: {run.messages} messages, {run.size} bytes"


async def _certificates(around: Surroundings) -> str:
    view = await around.observer.tls()
    if view is None or view.certificate is None:
        raise JobFailed("there is no certificate", "see `twinpost tls show`")
    days = view.certificate.days_left
    if days < _DAYS_LEFT:
        raise JobFailed(
            f"the certificate is good for {days} days only",
            "import another one" if view.imported else "see `twinpost tls renew` and the clock",
        )
    if view.problems:
        raise JobFailed("; ".join(view.problems), "see `twinpost tls show`")
    return f"the certificate is good for {days} days"


async def _optimise(around: Surroundings) -> str:
    names = sorted(path.name for path in around.layout.monitor.glob("*.db"))
    for name in names:
        await asyncio.to_thread(_tidy, around.layout.monitor / name)
    return f"tidied {', '.join(names)}"


def _tidy(path: Path) -> None:
    try:
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA optimize")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise JobFailed(f"{path.name}: {error}", "look at the disk") from error


async def _self_test(around: Surroundings) -> str:
    return await self_test(
        [
            lambda: _content(around),
            lambda: _syncs(around),
            lambda: _disk(around),
            lambda: _peer(around),
            lambda: _index(around),
        ]
    )


async def _content(around: Surroundings) -> Finding:
    try:
        found = await asyncio.to_thread(sample, around.layout.spool, _SAMPLE, Random())
    except (apsw.Error, OSError, ValueError) as error:
        return Finding(f"the spool cannot be read: {error}", False, "look at the disk")
    if found.damaged:
        names = ", ".join(found.damaged[:5])
        text = f"{len(found.damaged)} of {found.messages} messages are damaged: {names}"
        return Finding(text, False, "the other node has them whole: see docs/guarantees.md")
    return Finding(f"{found.messages} messages read back")


async def _syncs(around: Surroundings) -> Finding:
    try:
        took = await asyncio.to_thread(sync_time, around.layout.spool)
    except OSError as error:
        return Finding(f"the spool's disk cannot be written: {error}", False, "look at the disk")
    text = f"a sync takes {took} ms"
    if took > SLOW_SYNC:
        return Finding(text, False, "the disk is slow or failing: mail waits for it")
    return Finding(text)


async def _disk(around: Surroundings) -> Finding:
    found = await asyncio.to_thread(os.statvfs, around.layout.spool)
    free, reserve = found.f_bavail * found.f_frsize, int(around.node.disk_reserve)
    text = f"{free >> 20} MiB free"
    if free < _RESERVES * reserve:
        return Finding(text, False, "remove what is not needed, or take a larger disk")
    return Finding(text)


async def _peer(around: Surroundings) -> Finding | None:
    mail = await around.observer.mail()
    if mail is None:
        return Finding("the mail process does not answer", False, "see log/mail.log")
    if mail.peer is None:
        return None
    name = mail.peer.name or "the other node"
    if not mail.peer.connected:
        return Finding(f"{name} is not reached", False, "see `twinpost status`")
    return Finding(f"{name} is reached")


async def _index(around: Surroundings) -> Finding | None:
    if around.search is None:
        return None
    try:
        view = await around.search.view()
    except Unavailable as error:
        return Finding(f"search does not answer: {error}", False, "see log/search.log")
    if view.damaged:
        text = f"{view.damaged} parts of the search index are damaged"
        return Finding(text, False, "they are made anew by themselves")
    return Finding(f"{view.documents} messages can be searched")
