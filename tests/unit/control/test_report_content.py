"""A report says what both nodes told: what is well, what is not, and what is not known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.control.report_content import Frame, content
from appliance.control.report_seen import POINTS, Seen, see
from appliance.control.schema_alerts import AlertView, EndedAlert
from appliance.mail.views import QueueCounts, Unavailable
from appliance.monitor.jobs import Outcome
from appliance.monitor.snapshot import Disk
from appliance.report.content import Outlook, Report, State, Tile
from tests.support.control import CERTIFICATE, MAIL, TLS
from tests.support.report import DAY, GIB, HOUR, NOW, history, job, run, seen, status
from tests.unit.control.test_report_settings import NODE_TOML

FRAME = Frame(
    node=parse(NODE_TOML, NodeSettings, "node.toml"),
    release="1.0",
    key="1a2b3c4d",
    at=NOW,
    since=NOW - 7 * DAY,
    redacted=False,
)


def report(*nodes: Seen) -> Report:
    return content(FRAME, nodes or (seen("a"), seen("b")))


def tile(made: Report, name: str) -> Tile:
    return next(one for one in made.glance if one.name == name)


def look(made: Report, what: str) -> Outlook:
    return next(one for one in made.outlook if what in one.what)


def test_all_is_well() -> None:
    made = report()
    assert made.state is State.GOOD
    assert [one.state for one in made.glance] == [State.GOOD] * 8
    assert made.troubles == ()
    figures = {(one.name, one.node): one.value for one in made.figures}
    assert figures["mail.accepted", ""] == 14
    assert figures["mail.accepted", "b"] == 7
    assert figures["queue.deferred", ""] == 2
    assert figures["mailboxes.messages", ""] == 4
    assert figures["about.mail.accepted", "a"] == round(0.5 * POINTS * HOUR / 1000)
    assert tile(made, "Virtual addresses").value == "node a"


@pytest.mark.parametrize(
    "name, changes, state",
    [
        ("Pair", {"mail": msgspec.structs.replace(MAIL, mode="solo")}, State.CRITICAL),
        ("Pair", {"mail": msgspec.structs.replace(MAIL, mode="catching up")}, State.ATTENTION),
        ("Pair", {"mail": msgspec.structs.replace(MAIL, exposed=3)}, State.ATTENTION),
        ("Pair", {"mail": None}, State.CRITICAL),
        ("Mail", {"mail": msgspec.structs.replace(MAIL, accepting=False)}, State.ATTENTION),
        ("Virtual addresses", {"virtual": status("b").virtual}, State.CRITICAL),
        ("Queue", {"queue": QueueCounts(held=1)}, State.ATTENTION),
        ("Queue", {"queue": None}, State.ATTENTION),
        ("Disk", {"disk": Disk(free=10 << 20, total=GIB)}, State.CRITICAL),
    ],
)
def test_what_is_wrong_shows_at_a_glance(name: str, changes: dict[str, Any], state: State) -> None:
    made = report(seen("a", status=status("a", **changes)), seen("b"))
    assert tile(made, name).state is state
    assert made.state is state


def test_mail_that_neither_takes() -> None:
    none = [seen(name, status=status(name, mail=None)) for name in ("a", "b")]
    assert tile(report(*none), "Mail").value == "by neither node"


def test_a_node_that_cannot_be_asked_is_told_of() -> None:
    gone = Seen(name="the other node", minutes=5, problem="the link is down \x1b[2J")
    made = report(seen("a"), gone)
    assert made.nodes == ("a", "the other node")
    assert made.state is State.ATTENTION
    (trouble,) = made.troubles
    assert "the link is down \\x1b[2J" in trouble.text
    assert tile(made, "Mail").value == "by node a only"


def test_a_node_without_a_peer_is_reported_alone() -> None:
    made = report(seen("a"))
    assert made.nodes == ("a",)
    assert {one.node for one in made.figures} == {"a", ""}


def test_a_disk_that_fills_runs_out() -> None:
    falling = tuple(50.0 * GIB - hour * GIB / 12 for hour in range(POINTS))
    made = report(seen("a", history=history(disk_free=falling)))
    disk = look(made, "disk")
    assert disk.trend == "−2.0 GiB a day"
    assert disk.days == pytest.approx((50 * GIB - (64 << 20)) / (2 * GIB), rel=0.01)
    assert (disk.text, disk.state) == ("in 25 days", State.ATTENTION)
    faster = tuple(50.0 * GIB - hour * GIB / 3 for hour in range(POINTS))
    assert look(report(seen("a", history=history(disk_free=faster))), "disk").state is (
        State.CRITICAL
    )
    rising = falling[::-1]
    assert look(report(seen("a", history=history(disk_free=rising))), "disk").days is None
    young = (*(None,) * (POINTS - 3), 1.0, 2.0, 3.0)
    assert look(report(seen("a", history=history(disk_free=young))), "disk").text == (
        "too early to tell"
    )


@pytest.mark.parametrize(
    "days, state", [(2, State.CRITICAL), (10, State.ATTENTION), (90, State.GOOD)]
)
def test_a_certificate_that_ends(days: int, state: State) -> None:
    certificate = msgspec.structs.replace(CERTIFICATE, days_left=days)
    tls = msgspec.structs.replace(TLS, certificate=certificate)
    made = report(seen("a", status=status(tls=tls)))
    assert (look(made, "certificate").days, look(made, "certificate").state) == (days, state)


def test_backups() -> None:
    off = job("backup", off="no folder is set", last=None)
    assert tile(report(seen("a", jobs=(off,), runs=())), "Backup").state is State.UNKNOWN
    never = job("backup", last=None)
    assert tile(report(seen("a", jobs=(never,), runs=())), "Backup").value == "none yet"
    failed = run("backup", outcome=Outcome.FAILED, text="no stick \x1b[2J")
    failing = job("backup", failures=2, last=failed)
    made = report(seen("a", jobs=(failing,), runs=(failed, run("backup", at=NOW - DAY))))
    backup = tile(made, "Backup")
    assert (backup.value, backup.state) == ("1 d ago", State.ATTENTION)
    assert backup.note == "node a: no stick \\x1b[2J"
    old = seen("a", jobs=(failing,), runs=(failed, run("backup", at=NOW - 9 * DAY)))
    assert tile(report(old), "Backup").state is State.CRITICAL
    table = next(one for one in made.tables if "failed" in one.title)
    assert [row[1:3] for row in table.rows] == [("a", "backup")]


def test_alerts_are_told_the_worst_first_and_past_ones_too() -> None:
    def alert(name: str, severity: str) -> AlertView:
        return AlertView(
            name=name,
            subject="",
            severity=severity,
            text=f"{name} <b>",
            hint="do it",
            phase="raised",
            held=1,
            raised_at=NOW,
            acknowledged=None,
        )

    alarms = (alert("slow", "warning"), alert("solo", "critical"))
    ended = [
        EndedAlert(
            name="x",
            subject="",
            severity="warning",
            text=text,
            raised_at=at - HOUR,
            cleared_at=at,
            lasted=HOUR,
            acknowledged_by="",
            acknowledged_why="",
        )
        for text, at in (("late", NOW - DAY), ("long ago", NOW - 30 * DAY))
    ]
    made = report(seen("a", status=status(alarms=alarms), ended=tuple(ended)))
    assert [one.text for one in made.troubles] == ["solo <b>", "slow <b>"]
    assert made.state is State.CRITICAL
    table = next(one for one in made.tables if "Alerts" in one.title)
    assert [row[-1] for row in table.rows] == ["late"]


async def test_events_are_told_by_a_list_of_fields() -> None:
    async def ask(path: str) -> bytes:
        if path == "/v1/status":
            return msgspec.json.encode(status())
        if path == f"/v1/events?severity=warning&since={NOW}&limit=50":
            event = {
                "at": "2026-11-28T11:02:03.004Z",
                "node": "b",
                "process": "delivery",
                "severity": "warning",
                "event": "hop_down",
                "queue_id": "Q1",
                "fields": {"relay": "192.0.2.1:25", "subject": "canary", "reply": "451 \x1b[2J"},
            }
            other = event | {"at": "2026-11-28T10:00:00Z", "event": "mode", "queue_id": ""}
            return msgspec.json.encode({"events": [event, other, event], "older": "5.7"})
        raise Unavailable(path)

    made = report(await see(ask, "?", 60, NOW))
    table = next(one for one in made.tables if "events" in one.title)
    said = "relay 192.0.2.1:25, reply 451 \\x1b[2J"
    assert table.rows == (
        ("2026-11-28 11:02:03", "b", "warning", f"hop_down Q1: {said} (× 2)"),
        ("2026-11-28 10:00:00", "b", "warning", f"mode: {said}"),
    )
    assert "canary" not in msgspec.json.encode(made).decode()
    assert next(one for one in report().tables if "events" in one.title).note == (
        "No events are kept."
    )


async def test_what_a_node_does_not_tell_is_missing_and_nothing_else() -> None:
    async def ask(path: str) -> bytes:
        if path == "/v1/status":
            return msgspec.json.encode(status())
        if path == "/v1/jobs":
            return b'{"jobs": [{"from": "a later release"}]}'
        raise Unavailable(path)

    found = await see(ask, "?", 60, NOW)
    assert (found.name, found.history, found.jobs, found.search) == ("a", None, (), None)
    made = report(found)
    assert made.charts == ()
    assert look(made, "disk").text == "too early to tell"


async def test_nobody_answers() -> None:
    async def ask(path: str) -> bytes:
        raise Unavailable("the link is down")

    found = await see(ask, "the other node", 60, NOW)
    assert (found.name, found.status, found.problem) == (
        "the other node",
        None,
        "the link is down",
    )


async def test_a_young_node_is_asked_about_less_time() -> None:
    """40 minutes are known of a week: in parts of an hour their sum would be a guess."""
    asked = []

    async def ask(path: str) -> bytes:
        if path == "/v1/status":
            return msgspec.json.encode(status())
        if not path.startswith("/v1/history"):
            raise Unavailable(path)
        minutes = int(path.partition("range=")[2].partition("m&")[0])
        asked.append(minutes)
        known = min(POINTS, max(1, 40 * POINTS // minutes))
        values = (*(None,) * (POINTS - known), *(1.0,) * known)
        told = msgspec.structs.replace(
            history(mail_accepted=values), step=minutes * 60_000 // POINTS
        )
        return msgspec.json.encode(told)

    found = await see(ask, "?", 7 * 24 * 60, NOW)
    assert asked[0] == 10_080
    assert 40 <= found.minutes <= 80
    assert found.history is not None
    total = sum(value or 0 for value in found.history.curves[0].mean) * found.history.step / 1000
    assert total == pytest.approx(40 * 60, rel=0.02)
