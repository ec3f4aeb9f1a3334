"""What a site could look like: the values that the snapshots are drawn from."""

from __future__ import annotations

import msgspec

from appliance.control.roles import Role
from appliance.control.schema import History, Status, Transition, Virtual
from appliance.control.schema_alerts import AlertView
from appliance.control.schema_pair import PairPeer, PairView
from appliance.control.schema_people import SessionView
from appliance.ipc.search import Attachment, Hit, MessagePreview, Piece, SearchPage, SearchView
from appliance.mail.views import (
    MessageStory,
    QueueCounts,
    QueueEntry,
    QueuePage,
    RecipientStatus,
    RecipientView,
    Step,
)
from appliance.monitor.snapshot import Disk, Process
from tests.support.control import FAILOVER, MAIL, PEER, TLS
from tests.tui.alarm import ALERTS
from tests.tui.boxes import BOXES
from tests.tui.certificates import CERTIFICATES
from tests.tui.figures import FIGURES
from tests.tui.folk import FOLK
from tests.tui.happenings import HAPPENINGS
from tests.tui.machines import ANSWERS as MACHINES
from tests.tui.releases import ANSWERS as RELEASES
from tests.tui.site import SITE
from tests.tui.ways import WAYS
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
STORY = MessageStory(
    queue_id="Q99AZE3VXR0002",
    sender="bridge@ship.test",
    size=3000,
    age=122_000,
    received_at=1_790_000_002_000,
    owner="a",
    client="192.0.2.7",
    helo="bridge.ship.test",
    envid="voyage 7",
    recipients=(
        QUEUE.entries[1].recipients[0],
        msgspec.structs.replace(
            QUEUE.entries[3].recipients[0], index=1, reply=HOSTILE, remote=HOSTILE[:60]
        ),
    ),
    steps=(
        Step(ago=122_000, node="a", kind="accepted"),
        Step(ago=121_000, node="a", kind="leased", recipients=(0,)),
        Step(ago=61_000, node="a", kind="ended", recipients=(0,), detail="451 4.4.1 no answer"),
    ),
)
PREVIEW = MessagePreview(
    queue_id="Q99AZE3VXR0002",
    sender="The bridge <bridge@ship.test>",
    to="office@line.test",
    cc="",
    subject="Tide tables " + HOSTILE[:60],
    date="Mon, 21 Sep 2026 14:13:22 +0000",
    size=3000,
    text="High water at noon.\n\nSee the table.",
    attachments=(Attachment(name="tides.pdf", type="application/pdf", size=2048),),
    complete=True,
)
FOUND = SearchPage(
    hits=(
        Hit(
            queue_id="Q99AZE3VXR0002",
            sender="bridge@ship.test",
            recipients=("office@line.test", "anna@ship.test", "bob@ship.test"),
            subject="Tide tables " + HOSTILE[:60],
            received_at=1_790_000_002_000,
            size=3000,
            status=("deferred", "waiting"),
            snippet=(Piece("High ", False), Piece("water", True), Piece(" at noon.", False)),
        ),
        Hit(
            queue_id="Q99AZE3VXR0001",
            sender="anna@ship.test",
            recipients=("harbour@port.test",),
            subject="Fresh water",
            received_at=1_790_000_001_000,
            size=1500,
            status=("delivered",),
        ),
    ),
    missing="the index is being made anew",
)
INDEX = SearchView(
    activity="idle",
    documents=48_000,
    waiting=3,
    lag=200,
    total=48_003,
    complete=True,
    partitions=4,
    damaged=0,
    size=9 << 20,
)
PAIR = PairView(
    node_id="a" * 16,
    listen="127.0.0.11:2527",
    peer=PairPeer(node_id="b" * 16, endpoint="127.0.0.12:2526"),
    link=PEER,
    attempt=None,
)
TRANSITIONS = History(
    (
        Transition(
            at="2026-09-21T14:13:22.100Z",
            node="a",
            vrid=1,
            before="Backup",
            after="Active",
            reason="silence of the peer",
            why="",
            lasted=93_600_000,
        ),
        Transition(
            at="2026-09-20T12:00:00Z",
            node="a",
            vrid=1,
            before="Active",
            after="Backup",
            reason="health",
            why="disk reserve",
            lasted=345,
        ),
    )
)
ANSWERS: dict[str, object] = {
    "/sessions/current": SessionView(
        name="root", role=Role.ADMINISTRATOR, session=False, first_run=False
    ),
    "/status": STATUS_A,
    "/peer/status": STATUS_B,
    "/queue": QUEUE,
    f"/queue/{STORY.queue_id}": STORY,
    "/search": FOUND,
    "/search/status": INDEX,
    f"/messages/{STORY.queue_id}/preview": PREVIEW,
    "/pair": PAIR,
    "/failover/history": TRANSITIONS,
    "/peer/queue": QUEUE,
    **BOXES,
    **CERTIFICATES,
    **FIGURES,
    **FOLK,
    **HAPPENINGS,
    **ALERTS,
    **MACHINES,
    **SITE,
    **RELEASES,
    **WAYS,
    **WORK,
}
