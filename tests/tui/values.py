"""What a site could look like: the values that the snapshots are drawn from."""

from __future__ import annotations

import msgspec

from appliance.control.roles import Role
from appliance.control.schema import Status, Virtual
from appliance.control.schema_alerts import AlertView
from appliance.control.schema_people import SessionView
from appliance.mail.views import (
    QueueCounts,
    QueueEntry,
    QueuePage,
    RecipientStatus,
    RecipientView,
)
from appliance.monitor.snapshot import Disk, Process
from tests.support.control import FAILOVER, MAIL, PEER, TLS
from tests.tui.alarm import ALERTS
from tests.tui.figures import FIGURES
from tests.tui.work import WORK

SERVICES = ("mail", "delivery", "failover", "search", "control")
MAIL_A = msgspec.structs.replace(
    MAIL, uptime=93_600_000, mode_for=7_380_000, accepted=48_123, connections=3
)
STATUS_A = Status(
    name="a",
    hostname="a.site.test",
    version="0.1.0",
    healthy=True,
    summary="Healthy: every message is on both nodes before a client gets its 250.",
    mode="paired",
    mail=MAIL_A,
    queue=QueueCounts(queued=2, deferred=40, held=3, owned_here=40, owned_by_peer=5),
    processes=tuple(Process(name=one, state="ready", pid=7, restarts=0) for one in SERVICES),
    disk=Disk(free=73 << 30, total=120 << 30),
    virtual=(Virtual(address="127.0.0.10", here=True),),
    failover=FAILOVER,
    tls=TLS,
    alarms=(),
)
STATUS_B = msgspec.structs.replace(
    STATUS_A,
    name="b",
    hostname="b.site.test",
    healthy=False,
    summary="Mail flows; node b needs attention.",
    mail=msgspec.structs.replace(
        MAIL_A, exposed=2, peer=msgspec.structs.replace(PEER, name="a", lag=12, lag_ms=900)
    ),
    processes=(
        *STATUS_A.processes[:3],
        Process(name="search", state="waiting", pid=None, restarts=4),
        STATUS_A.processes[4],
    ),
    disk=Disk(free=6 << 30, total=120 << 30),
    virtual=(Virtual(address="127.0.0.10", here=False),),
    failover=msgspec.structs.replace(
        FAILOVER,
        routers=(msgspec.structs.replace(FAILOVER.routers[0], state="Backup", held=False),),
        paths=(msgspec.structs.replace(FAILOVER.paths[0], alive=False),),
    ),
    alarms=(
        AlertView(
            name="disk_low",
            subject="",
            severity="warning",
            text="The disk of the spool is nearly full: 6.0 GiB are free.",
            hint="free some space on /var/lib/twinpost, or give it a larger disk",
            phase="raised",
            held=60_000,
            raised_at=0,
            acknowledged=None,
        ),
    ),
)


def entry(
    number: int, sender: str, recipient: str, status: str = "deferred", **more: object
) -> QueueEntry:
    """A message in the queue with one recipient."""
    deferred = status == "deferred"
    one = RecipientView(
        index=0,
        address=recipient,
        original=recipient,
        status=RecipientStatus(status),
        tries=3 if deferred else 0,
        due_in=240_000 if deferred else None,
        reply="451 4.4.1 no answer from the next hop" if deferred else "",
    )
    return QueueEntry(
        queue_id=f"Q99AZE3VXR{number:04}",
        sender=sender,
        size=1500 * number,
        age=61_000 * number,
        received_at=1_790_000_000_000 + 1000 * number,
        owner="a" if number % 2 else "b",
        recipients=(one,),
    )


HOSTILE = "\x1b[2J[bold red]\u202etxt.exe[/] " + "x" * 5000
QUEUE = QueuePage(
    entries=(
        entry(1, "anna@ship.test", "harbour@port.test", "queued"),
        entry(2, "", "anna@ship.test"),
        entry(3, "bridge@ship.test", "office@line.test", "held"),
        entry(4, HOSTILE + "@ship.test", HOSTILE, "waiting"),
        entry(5, "josé@schiff.test", "用户@例子.test"),
        entry(6, "engine@ship.test", "parts@yard.test", "leased"),
    )
)
ANSWERS: dict[str, object] = {
    "/sessions/current": SessionView(
        name="root", role=Role.ADMINISTRATOR, session=False, first_run=False
    ),
    "/status": STATUS_A,
    "/peer/status": STATUS_B,
    "/queue": QUEUE,
    "/peer/queue": QUEUE,
    **FIGURES,
    **ALERTS,
    **WORK,
}
