"""Logs: what both nodes did, the newest first, as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from appliance.monitor.log.told import EventPage, Told, Wanted
from tui.page import Page
from tui.rows import Chunk, PagedRows
from tui.screens.events_filter import HELP, NoFilter, parse
from tui.text import EMPTY, LINE, foreign, join, lines
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

_PAGE = 200
_SIGNS = {
    "error": ("✖", "bold $error"),
    "warning": ("▲", "bold $warning"),
    "notice": ("·", "$accent"),
    "info": (" ", ""),
}


class EventList(Page):
    """Events of both nodes behind a filter; what the one under the cursor tells stands below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "back", "Back", show=False),
    ]
    COLUMNS: ClassVar[Sequence[Column[Told]]]
    ONLY: ClassVar[tuple[str, ...]] = ()
    """The events that are shown at all; none for every one."""
    EMPTY_TEXT: ClassVar[str] = "No event fits."

    def body(self) -> ComposeResult:
        yield InputLine(placeholder=HELP, compact=True, id="filter")
        yield Line(name="counts")
        yield Table[Told](self.COLUMNS, _key, empty=self.EMPTY_TEXT)
        yield Text(name="event")

    def begin(self) -> None:
        self._wanted = parse("", self.ONLY)
        self.table.show(self._rows())
        self.table.focus()
        self.renew(self.table.renew, every=1.0)

    @property
    def table(self) -> Table[Told]:
        """The events."""
        return self.query_one(Table)

    def _rows(self) -> PagedRows[Told]:
        wanted = self._wanted

        async def read(older: str) -> Chunk[Told]:
            page: EventPage = await self.node.ask(
                lambda client: client.events(wanted, _PAGE, older)
            )
            return Chunk(page.events, page.older)

        return PagedRows(read)

    def on_input_changed(self, event: Input.Changed) -> None:
        try:
            wanted = parse(event.value, self.ONLY)
        except NoFilter as error:
            self._count(Content.assemble(("▲ ", "$warning"), foreign(str(error), LINE)))
            return
        self._count(EMPTY)
        self._look_for(wanted)

    def _look_for(self, wanted: Wanted) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self.table.show(self._rows())

    def on_input_submitted(self) -> None:
        self.table.focus()

    def on_table_moved(self, message: Table.Moved) -> None:
        self.query_one("#event", Text).show(detail(message.row) if message.row else EMPTY)

    def on_table_failed(self, message: Table.Failed) -> None:
        self.trouble(message.trouble)

    def _count(self, content: Content) -> None:
        self.query_one("#counts", Line).show(content)

    def node_changed(self) -> None:
        self.table.show(self._rows())

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """From the filter to the table; there, show everything again."""
        typed = self.query_one(Input)
        if self.focused is typed:
            self.table.focus()
        else:
            typed.value = ""


def detail(told: Told) -> Content:
    """All that an event tells."""
    sign, style = _SIGNS.get(told.severity, (" ", ""))
    head = [
        Content.assemble((f"{sign} ", style), foreign(told.event, style="bold")),
        foreign(told.at),
        Content.assemble("node ", foreign(told.node), ", ", foreign(told.process)),
        foreign(told.queue_id),
    ]
    fields = [
        Content.assemble("  ", foreign(name, style="$quiet"), " ", foreign(_text(value), LINE))
        for name, value in told.fields.items()
        if value not in ("", None, [], {})
    ]
    return lines([EMPTY, join(head), *fields])


def _key(told: Told) -> tuple[str, ...]:
    return told.at, told.node, told.process, told.event, told.queue_id, str(told.fields)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(told: Told) -> Content:
    """Without the day and the zone, which stand below."""
    return foreign(told.at[5:19].replace("T", " "))


def _event(told: Told) -> Content:
    sign, style = _SIGNS.get(told.severity, (" ", ""))
    return Content.assemble((f"{sign} ", style), foreign(told.event, style=style))


def _fields(told: Told) -> Content:
    parts = [
        Content.assemble((f"{name}=", "$quiet"), foreign(_text(value)))
        for name, value in told.fields.items()
        if name.isidentifier() and value not in ("", None, [], {})
    ]
    return join(parts, " ")


class Logs(EventList):
    """Everything."""

    ABOUT: ClassVar[str] = """
        What both nodes did, the newest first; new events appear as they happen while the first
        ones are seen. Press / and type to filter: any text that stands in an event, is:warning for
        what is at least so grave, node:a, process:delivery, event:sent, id: with a queue id. All
        that the event under the cursor tells stands below. Times are UTC by that node's own clock.
    """
    COLUMNS: ClassVar[Sequence[Column[Told]]] = (
        Column("Time", _time, 14),
        Column("Node", lambda told: foreign(told.node, 8), 4),
        Column("Process", lambda told: foreign(told.process, 12), 9, wide=True),
        Column("Event", _event, 24),
        Column("Queue id", lambda told: foreign(told.queue_id), 15, wide=True),
        Column("", _fields, 10, share=1),
    )
