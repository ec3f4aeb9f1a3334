"""Overview: both nodes side by side, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from appliance.mail.figures import bytes_text, counted, time_text
from tui.page import Page
from tui.site import Rate, Side, Site
from tui.text import EMPTY, LINE, foreign, join, lines
from tui.themes import ASCII
from tui.widgets.facts import Facts
from tui.widgets.line import Text
from tui.widgets.spark import gauge, rate_text, spark

if TYPE_CHECKING:
    from appliance.control.schema import Status

_UNKNOWN = Content.assemble(("–", "$quiet"))
_STATES = ("queued", "leased", "deferred", "held", "waiting")
Cell = Callable[["Status"], Content]


class Overview(Page):
    """Where one looks first."""

    ABOUT: ClassVar[str] = """
        Both nodes of the pair, side by side. The line on top says how the site is, in one
        sentence. Below the figures stand the alarms of both nodes, each with what to do.
        "exposed" counts messages that are durable on one node only: if that node died now, they
        would be lost. Rates are drawn over the last minute.
    """

    def body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Facts(["", *(label for label, _ in _ROWS), "accepted", "delivered"])
            yield Text(name="alarms")

    def site_changed(self, site: Site) -> None:
        facts = self.query_one(Facts)
        sides = (site.here, site.there)
        facts.show(0, [_head(site, other) for other in (False, True)])
        for row, (_, cell) in enumerate(_ROWS, 1):
            facts.show(row, [cell(side.status) if side.status else _UNKNOWN for side in sides])
        plain = self.app.theme == ASCII
        width = 12 if self.size.width < 120 else 30
        for row, rates in enumerate(_rates(sides), 1 + len(_ROWS)):
            facts.show(row, [_rate(one, width, plain) for one in rates])
        self.query_one("#alarms", Text).show(_alarms(site))


def _head(site: Site, other: bool) -> Content:
    name, side = site.name(other), site.side(other)
    called = foreign(name, 20, "bold") if name else Content("the other node" if other else "?")
    place = "" if other else ", this node"
    if side.status is None:
        told = ("  …", "$quiet") if side.trouble is None else ("  ✖ no answer", "$error")
        return Content.assemble("node ", called, place, told)
    return Content.assemble("node ", called, (place, "$quiet"))


def _role(status: Status) -> Content:
    if status.failover is None:
        return _UNKNOWN
    if status.failover.maintenance:
        return Content.assemble(("▲ maintenance", "$warning"))
    told = []
    for one in status.failover.routers:
        style = "bold $success" if one.held else ""
        vrid = f" ({one.vrid})" if len(status.failover.routers) > 1 else ""
        told.append(Content.assemble((one.state, style), vrid))
    return join(told, ", ")


def _virtual(status: Status) -> Content:
    held = [foreign(one.address, 40, "bold") for one in status.virtual if one.here]
    return join(held, ", ") if held else _UNKNOWN


def _mode(status: Status) -> Content:
    mail = status.mail
    if mail is None:
        return Content.assemble(("✖ mail process down", "$error"))
    style = "" if mail.mode == "paired" else "bold $warning"
    sign = "" if mail.mode == "paired" else "▲ "
    mode = foreign(mail.mode, 20, style)
    return Content.assemble((sign, style), mode, f" for {time_text(mail.mode_for)}")


def _mail_in(status: Status) -> Content:
    mail = status.mail
    if mail is None or not mail.accepting:
        why = foreign(mail.reason, LINE) if mail else Content("mail process down")
        return Content.assemble(("✖ takes none: ", "$error"), why)
    return Content(f"takes mail, {counted(mail.connections, 'connection')}")


def _replication(status: Status) -> Content:
    peer = status.mail.peer if status.mail else None
    if peer is None:
        return Content("no other node")
    if not peer.connected:
        return Content.assemble(("▲ not connected", "bold $warning"))
    if not peer.lag:
        return Content("level with the other node")
    return Content(f"{counted(peer.lag, 'record')} behind, {time_text(peer.lag_ms)}")


def _exposed(status: Status) -> Content:
    if status.mail is None:
        return _UNKNOWN
    exposed = status.mail.exposed
    told = counted(exposed, "message")
    return Content.assemble((f"▲ {told}", "bold $warning")) if exposed else Content("none")


def _queue(status: Status) -> Content:
    if status.queue is None:
        return _UNKNOWN
    told = [f"{number:,} {state}" for state in _STATES if (number := getattr(status.queue, state))]
    return Content(", ".join(told) or "empty")


def _certain(status: Status) -> Content:
    mail = status.mail
    if mail is None:
        return _UNKNOWN
    return Content(f"{counted(mail.duplicates, 'duplicate')}, {counted(mail.doubts, 'doubt')}")


def _heartbeat(status: Status) -> Content:
    if status.failover is None:
        return _UNKNOWN
    paths = status.failover.paths
    alive = sum(path.alive for path in paths)
    told = f"on {alive} of {counted(len(paths), 'path')}"
    return Content.assemble((f"▲ {told}", "$warning")) if alive < len(paths) else Content(told)


def _disk(status: Status) -> Content:
    disk = status.disk
    share = 1 - disk.free / disk.total if disk.total else 1.0
    style = "$warning" if share > 0.9 else "$primary"
    return Content.assemble(
        (gauge(share, 10, ascii_only=False), style), f" {bytes_text(disk.free)} free"
    )


def _processes(status: Status) -> Content:
    down = [one for one in status.processes if one.state != "ready"]
    if not down:
        return Content(f"all {len(status.processes)} ready")
    told = [Content.assemble(foreign(one.name, 20), " ", foreign(one.state, 20)) for one in down]
    return Content.assemble(("✖ ", "$error"), join(told, ", "))


def _version(status: Status) -> Content:
    uptime = f", up {time_text(status.mail.uptime)}" if status.mail else ""
    return Content.assemble(foreign(status.version, 20), uptime)


_ROWS: Sequence[tuple[str, Cell]] = (
    ("role", _role),
    ("addresses", _virtual),
    ("mode", _mode),
    ("mail", _mail_in),
    ("replication", _replication),
    ("heartbeat", _heartbeat),
    ("exposed", _exposed),
    ("queue", _queue),
    ("certainty", _certain),
    ("disk", _disk),
    ("processes", _processes),
    ("version", _version),
)


def _rates(sides: Sequence[Side]) -> Sequence[Sequence[Rate]]:
    return [[side.accepted for side in sides], [side.delivered for side in sides]]


def _rate(rate: Rate, width: int, plain: bool) -> Content:
    if not rate.samples:
        return EMPTY
    drawn = spark(rate.samples, width, ascii_only=plain)
    return Content.assemble((drawn, "$primary"), rate_text(rate.now))


def _alarms(site: Site) -> Content:
    told = []
    for name, alarm in site.alarms():
        critical = alarm.severity == "critical"
        sign, style = ("✖ CRITICAL", "bold $error") if critical else ("▲ WARNING", "bold $warning")
        told.append(
            Content.assemble(
                (sign, style), " node ", foreign(name, 20), ": ", foreign(alarm.text, LINE)
            )
        )
        told.append(Content.assemble(("  → ", "$quiet"), foreign(alarm.hint, LINE)))
    return lines([EMPTY, *told]) if told else EMPTY
