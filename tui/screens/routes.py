"""Routes: which way mail takes, how the next hops are, and what is paused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema import PauseChange, RouteList
from appliance.ipc.delivery import DeliveryView
from appliance.mail.figures import counted
from tui.dialogs import Question
from tui.node import Trouble
from tui.page import Page, problem
from tui.rows import ListRows
from tui.screens.queue_changes import wrong_address
from tui.screens.routes_words import Row, answer, detail, leads_to, rows, state
from tui.text import EMPTY, LINE, foreign
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client


class Routes(Page):
    """The ways of mail from the node that is looked at."""

    ABOUT: ClassVar[str] = """
        The site's routes, then the pools and next hops of this node with their state, then what
        else is paused. p pauses the domain or next hop under the cursor, or lets it go on; d pauses
        a domain that you type. A pause is the site's: both nodes keep to it, whatever fails over.
        Mail for what is paused is accepted and waits; what is under way ends. t says which way mail
        for an address takes, and why.
    """
    NEEDS: ClassVar = {"pause": Role.OPERATOR, "domain": Role.OPERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause / go on"),
        Binding("t", "test", "Test address"),
        Binding("d", "domain", "Pause other"),
    ]

    def body(self) -> ComposeResult:
        yield Line(name="counts")
        yield Table[Row](_COLUMNS, lambda row: (row.kind, row.name), empty="There are no routes.")
        yield Text(name="detail")
        yield Text(name="answer")

    def begin(self) -> None:
        self._found: RouteList | None = None
        self._view: DeliveryView | None = None
        self.table.focus()
        self.follow(lambda client: client.routes(), self._show_routes)
        self.follow(lambda client: client.routes_status(), self._show_view, fail=self._no_view)

    @property
    def table(self) -> Table[Row]:
        """All ways."""
        return self.query_one(Table)

    def node_changed(self) -> None:
        self._view = None
        self.query_one("#answer", Text).show(EMPTY)

    def _show_routes(self, found: RouteList) -> None:
        self._found = found
        self._show()

    def _show_view(self, view: DeliveryView) -> None:
        self._view = view
        self._show()

    def _no_view(self, trouble: Trouble) -> None:
        """Delivery is away: the routes are the site's and stay."""
        self._view = None
        self._show()
        self.trouble(trouble)

    def _show(self) -> None:
        if self._found is None:
            return
        self.query_one("#counts", Line).show(_counts(self._found, self._view))
        self.table.show(ListRows(rows(self._found, self._view)), stay=True)

    def on_table_moved(self, message: Table.Moved) -> None:
        self.query_one("#detail", Text).show(detail(message.row) if message.row else EMPTY)

    def action_pause(self) -> None:
        row = self.table.row
        if row is None:
            return
        if not row.pausable:
            said = f"What is paused is a domain or a next hop, not a {row.kind} like this one."
            self.console.tell(Content(f"{said} See d."), "warning")
            return
        self._change(row.pausable, paused=row.pause is None)

    def action_domain(self) -> None:
        self.run_worker(self._pause_typed(), group="act")

    async def _pause_typed(self) -> None:
        question = Question(
            "Pause a domain",
            Content("Mail for it is accepted and waits, on both nodes, until somebody resumes it."),
            "Go on",
            field="Domain, or next hop as host:port:",
            check=lambda typed: "" if typed.strip() else "type a domain: example.org",
        )
        typed = await self.ask(question)
        if typed is not None:
            self._change(typed.strip(), paused=True)

    def _change(self, what: str, *, paused: bool) -> None:
        """Pause it, with a reason, or let it go on, which asks nothing."""
        question = None
        if paused:
            question = Question(
                "Pause",
                Content.assemble(
                    "No more mail begins for ",
                    foreign(what, style="bold"),
                    ", on both nodes, until somebody resumes it. What is under way ends; the rest "
                    "waits, and is returned when its time is over.",
                ),
                "Pause it",
                field="Why, for whoever finds it paused:",
            )

        def call(client: Client, reason: str) -> RouteList:
            return client.pause(PauseChange(what=what, paused=paused, reason=reason.strip()))

        done = " is paused." if paused else " goes on."
        self.act(question, call, lambda _: Content.assemble(foreign(what), done))

    def action_test(self) -> None:
        self.run_worker(self._test(), group="act")

    async def _test(self) -> None:
        question = Question(
            "Test an address",
            Content("Says which way mail for it takes, and why. Nothing is sent."),
            "Test",
            field="Recipient:",
            check=wrong_address,
        )
        typed = await self.ask(question)
        if typed is None:
            return
        address = typed.strip()
        try:
            found = await self.node.ask(lambda client: client.test_route(address))
            told = answer(found)
        except Trouble as trouble:
            told = problem(trouble)
        self.query_one("#answer", Text).show(Content.assemble("\n", told))


def _counts(found: RouteList, view: DeliveryView | None) -> Content:
    told = counted(len(found.routes), "route")
    if view is not None:
        told += f", {counted(view.connections, 'connection')} to next hops, {view.idle} idle"
    paused = len(found.pauses)
    said = Content.assemble((told, "$quiet"))
    return Content.assemble(said, (f"  ■ {paused} paused", "$accent")) if paused else said


_COLUMNS: Sequence[Column[Row]] = (
    Column("Kind", lambda row: Content(row.kind), 8),
    Column("Name", lambda row: foreign(row.name), 17, share=1),
    Column("Leads to", leads_to, 22, share=1),
    Column("State", state, 15),
    Column("Waits", lambda row: Content(f"{row.waiting:,}" if row.waiting else ""), 6, right=True),
    Column(
        "Paused because",
        lambda row: foreign(row.pause.reason, LINE) if row.pause else EMPTY,
        18,
        share=1,
        wide=True,
    ),
)
