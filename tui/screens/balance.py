"""Balance: the servers behind the virtual address, and their shares of the clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema import ServerChange
from appliance.ipc.balance import BalanceView, ServerView
from appliance.mail.figures import counted, span_text, time_text
from tui.dialogs import Question
from tui.node import Trouble
from tui.page import Page
from tui.rows import ListRows
from tui.text import EMPTY, LINE, foreign, join, lines
from tui.widgets.line import Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client

_NONE = "refused"
_SIGNS = {
    "up": ("● up", "$success"),
    "down": ("✖ down", "$error"),
    "draining": ("▲ draining", "$warning"),
    "drained": ("■ drained", "$accent"),
}


class Balance(Page):
    """The balancer of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        How clients are spread over the servers. Each node has a balancer of its own; the one of
        the node with the virtual address is at work (F3 shows the other). w gives a server another
        weight: 2 and 3 are 40 % and 60 % of the clients. d gives it no new clients, those it has
        may finish; d again takes it back. Changes are the pair's and last over restarts.
    """
    NEEDS: ClassVar = {"weight": Role.OPERATOR, "drain": Role.OPERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "weight", "Weight"),
        Binding("d", "drain", "Drain / take back"),
    ]

    def body(self) -> ComposeResult:
        yield Text(name="balancer")
        yield Table[ServerView](_COLUMNS, lambda one: one.name, empty="")
        yield Text(name="detail")

    def begin(self) -> None:
        self.table.focus()
        self.follow(lambda client: client.balance(), self._show, fail=self._fail)

    @property
    def table(self) -> Table[ServerView]:
        """The servers."""
        return self.query_one(Table)

    def _show(self, view: BalanceView) -> None:
        self.table.display = True
        self.query_one("#balancer", Text).show(_head(view))
        self.table.show(ListRows(view.servers), stay=True)

    def _fail(self, trouble: Trouble) -> None:
        none = trouble.code == _NONE
        self.trouble(None if none else trouble)
        if none:
            self.query_one("#balancer", Text).show(_without(trouble))
            self.table.show(ListRows())
            self.table.display = False

    def on_table_moved(self, message: Table.Moved) -> None:
        self.query_one("#detail", Text).show(_detail(message.row) if message.row else EMPTY)

    def action_weight(self) -> None:
        server = self.table.row
        if server is None:
            return
        question = Question(
            "Weight",
            Content.assemble(
                foreign(server.name, style="bold"),
                f" has the weight {server.weight}; node.toml says {server.configured}. New clients "
                "are spread by it from now on.",
            ),
            "Set it",
            field="Weight, a whole number from 1:",
            value=str(server.weight),
            check=_wrong_weight,
        )
        self._change(question, server, lambda typed: ServerChange(weight=int(typed)))

    def action_drain(self) -> None:
        server = self.table.row
        if server is None:
            return
        drained = server.state in ("draining", "drained")
        question = None
        if not drained:
            question = Question(
                "Drain",
                Content.assemble(
                    foreign(server.name, style="bold"),
                    " gets no new clients until somebody takes it back. Those it has may finish.",
                ),
                "Drain it",
            )
        self._change(question, server, lambda _: ServerChange(draining=not drained))

    def _change(
        self, question: Question | None, server: ServerView, wanted: Callable[[str], ServerChange]
    ) -> None:
        def call(client: Client, typed: str) -> BalanceView:
            return client.change_server(server.name, wanted(typed.strip()))

        def done(view: BalanceView) -> Content:
            now = [one for one in view.servers if one.name == server.name]
            said = [f": {one.state}, weight {one.weight}" for one in now]
            return Content.assemble(foreign(server.name), *said)

        self.act(question, call, done)


def _wrong_weight(typed: str) -> str:
    """Why this is no weight at first sight; the node knows how large it may be."""
    typed = typed.strip()
    fits = typed.isascii() and typed.isdecimal() and len(typed) < 6 and int(typed) >= 1
    return "" if fits else "type a whole number, 1 or more"


def _head(view: BalanceView) -> Content:
    where = join([foreign(one) for one in view.listening], ", ")
    at_work = (
        Content.assemble(("● at work", "$success"), " at ", where)
        if view.listening
        else Content("■ not at work: the virtual address is at the other node")
    )
    refused = f", {view.refused:,} found no server" if view.refused else ""
    figures = f"{foreign(view.algorithm).plain}, {counted(view.clients, 'client')} now{refused}"
    return lines([at_work, Content.assemble((figures, "$quiet")), EMPTY])


def _without(trouble: Trouble) -> Content:
    return lines(
        [
            foreign(trouble.what[:1].upper() + trouble.what[1:] + ".", LINE),
            Content(
                "Nothing is wrong: clients reach the node that has the virtual address, and only "
                "that one. A balancer would spread them over both."
            ),
            Content.assemble(("  → ", "$quiet"), foreign(trouble.hint, LINE)),
        ]
    )


def _state(server: ServerView) -> Content:
    said = Content.assemble(_SIGNS.get(server.state, (server.state, "")))
    if server.state in ("up", "down"):
        return Content.assemble(said, f" {time_text(server.since)}")
    return said


def _detail(server: ServerView) -> Content:
    marks = [text for text, so in (("this node", server.own), ("backup", server.backup)) if so]
    told = [
        EMPTY,
        join([foreign(server.name, style="bold"), foreign(server.address), *map(Content, marks)]),
        Content(
            f"{server.served:,} clients served, {server.missed:,} offered to the next as it "
            "could not be reached"
        ),
    ]
    check = Content.assemble("check ", foreign(server.check), ": ")
    if server.error:
        told.append(Content.assemble(check, ("✖ ", "$error"), foreign(server.error, LINE)))
    elif server.checked is None:
        told.append(Content.assemble(check, "not yet"))
    else:
        told.append(Content.assemble(check, f"passed {span_text(server.checked)} ago"))
    return lines(told)


def _weight(server: ServerView) -> Content:
    changed = server.weight != server.configured
    return Content(f"{server.weight}{f' (was {server.configured})' if changed else ''}")


_COLUMNS: Sequence[Column[ServerView]] = (
    Column("Server", lambda one: foreign(one.name), 12, share=1),
    Column("Address", lambda one: foreign(one.address), 20, wide=True),
    Column("State", _state, 20),
    Column("Weight", _weight, 14),
    Column("Clients", lambda one: Content(f"{one.connections} of {one.limit:,}"), 13, right=True),
    Column("Served", lambda one: Content(f"{one.served:,}"), 9, right=True, wide=True),
    Column("Missed", lambda one: Content(f"{one.missed:,}"), 7, right=True, wide=True),
)
