"""Alerts: what is wrong on both nodes, what to do about it, and what was wrong before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.schema_alerts import AcknowledgeAlert, Alerts, AlertView, EndedAlert
from appliance.mail.figures import time_text
from tui.dialogs import Question
from tui.page import Page
from tui.rows import ListRows
from tui.text import EMPTY, LINE, foreign, join, lines, moment
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client

_ENDED = 500
_SIGNS = {"critical": ("✖ CRITICAL", "bold $error"), "warning": ("▲ WARNING", "bold $warning")}


@dataclass(frozen=True)
class Row:
    """An alert, and the node that has it; `ended` if it is over."""

    node: str
    other: bool
    alert: AlertView | EndedAlert

    @property
    def key(self) -> tuple[object, ...]:
        """Tells it apart from all others."""
        raised = self.alert.raised_at if self.over else None
        return self.other, self.alert.name, self.alert.subject, raised

    @property
    def over(self) -> bool:
        """It has been cleared."""
        return isinstance(self.alert, EndedAlert)


class AlertList(Page):
    """The alerts of both nodes."""

    ABOUT: ClassVar[str] = """
        What is wrong now, on both nodes, the worst first; below the list stands what to do about
        the one under the cursor. Acknowledging says that somebody knows and is at it: nobody is
        told of it again, but it stays here until its cause is gone. Alerts end by themselves. h
        shows those that have ended, with how long they lasted.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "Acknowledge"),
        Binding("h", "history", "Now / ended"),
    ]

    def body(self) -> ComposeResult:
        yield Line(name="alerts-title")
        yield Table[Row](_COLUMNS, lambda row: row.key, empty="All is well: there is no alert.")
        yield Text(name="alert")

    def begin(self) -> None:
        self._history = False
        self.table.focus()
        self._followed = self.follow(self._read, self._show)

    @property
    def table(self) -> Table[Row]:
        """The alerts."""
        return self.query_one(Table)

    def _read(self, client: Client) -> tuple[bool, Sequence[Row]]:
        if not self._history:
            return False, _active(client.alerts(), self.node.other)
        return True, [Row("", self.node.other, one) for one in client.ended_alerts(_ENDED)]

    def _show(self, found: tuple[bool, Sequence[Row]]) -> None:
        ended, rows = found
        if ended != self._history:
            return
        title = "Ended, on the node that you look at" if ended else "Now, on both nodes"
        self.query_one("#alerts-title", Line).show(Content.assemble((title, "$quiet")))
        self.table.show(ListRows(rows), stay=True)

    def on_table_moved(self, message: Table.Moved) -> None:
        self.query_one("#alert", Text).show(_detail(message.row) if message.row else EMPTY)

    def action_history(self) -> None:
        """Show what has ended, or what is now."""
        self._history = not self._history
        self._followed.hurry()

    def action_acknowledge(self) -> None:
        row = self.table.row
        if row is None or row.over:
            return
        alert = row.alert
        question = Question(
            "Acknowledge",
            Content.assemble(
                "Everybody will see that you know of this, and nobody is told of it again until it "
                "has ended. It stays in the list until its cause is gone.\n\n",
                foreign(alert.text, LINE),
            ),
            "Acknowledge",
            field="What is being done about it:",
        )
        # Over the link an answer comes from the node that has the alert, whichever is looked at.
        peer = row.other != self.node.other

        def call(client: Client, why: str) -> AlertView:
            what = AcknowledgeAlert(subject=alert.subject, why=why)
            return client.acknowledge(alert.name, what, peer=peer)

        self.act(question, call, lambda _: Content("Acknowledged."))


def _active(found: Alerts, looking_at_other: bool) -> Sequence[Row]:
    rows = [Row(found.node, looking_at_other, one) for one in found.alerts]
    if found.peer is not None:
        rows += [Row(found.peer.node, not looking_at_other, one) for one in found.peer.alerts]
    rows = [
        one for one in rows if isinstance(one.alert, AlertView) and one.alert.phase != "pending"
    ]
    return sorted(rows, key=lambda one: (one.alert.severity != "critical", one.other))


def _detail(row: Row) -> Content:
    alert = row.alert
    sign, style = _SIGNS.get(alert.severity, ("", ""))
    told = [EMPTY, Content.assemble((sign, style), " ", foreign(alert.text, LINE))]
    if isinstance(alert, EndedAlert):
        told.append(
            Content(f"raised {moment(alert.raised_at)}, cleared {moment(alert.cleared_at)}")
        )
        if alert.acknowledged_by:
            told.append(_known(alert.acknowledged_by, alert.acknowledged_why))
        return lines(told)
    told.append(Content.assemble(("  → ", "$quiet"), foreign(alert.hint, LINE)))
    if alert.phase == "clearing":
        told.append(Content("Its cause is gone; it ends soon if it stays so."))
    if alert.acknowledged is not None:
        told.append(_known(alert.acknowledged.by, alert.acknowledged.why))
    return lines(told)


def _known(by: str, why: str) -> Content:
    reason = join([Content(":"), foreign(why, LINE)], " ") if why else EMPTY
    return Content.assemble("● acknowledged by ", foreign(by), reason)


def _severity(row: Row) -> Content:
    sign, style = _SIGNS.get(row.alert.severity, (row.alert.severity, ""))
    return foreign(sign, 12, style)


def _state(row: Row) -> Content:
    if isinstance(row.alert, EndedAlert):
        return Content(f"lasted {time_text(row.alert.lasted)}")
    if row.alert.acknowledged is not None:
        return Content.assemble(("● known", "$success"))
    if row.alert.phase == "clearing":
        return Content("clearing")
    return Content(f"for {time_text(row.alert.held)}")


_COLUMNS: Sequence[Column[Row]] = (
    Column("Severity", _severity, 11),
    Column("Node", lambda row: foreign(row.node, 12), 6),
    Column("What is wrong", lambda row: foreign(row.alert.text, LINE), 20, share=1),
    Column("", _state, 14),
)
