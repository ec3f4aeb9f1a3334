"""Queue: what waits, why, until when; and what an operator can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from appliance.control.roles import Role
from appliance.mail.figures import bytes_text, counted, time_text
from appliance.mail.views import QueueEntry, QueueFilter, QueuePage
from tui.page import Page
from tui.rows import Chunk, PagedRows
from tui.screens.queue_changes import change, export
from tui.screens.queue_filter import HELP, NoFilter, parse
from tui.screens.queue_words import due_text, recipients_text, sender_text, states_text
from tui.text import LINE, foreign
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line
from tui.widgets.table import Column, Table

_PAGE = 200


class Queue(Page):
    """The messages in the queue."""

    ABOUT: ClassVar[str] = """
        Messages that wait, the newest first. Press / and type to filter: any part of an address
        or of a queue id, or from:ADDRESS, to:ADDRESS, from:@domain, is:held. The space bar marks
        messages, "a" all that have been read; what you then do is done to all that are marked,
        else to the one under the cursor. Enter shows a message and its story. Hold keeps messages
        until you release them. Retry makes deferred ones due now. Remove takes them out for good;
        nobody is told.
    """
    NEEDS: ClassVar = {"change": Role.OPERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("h", "change('hold')", "Hold"),
        Binding("l", "change('release')", "Release"),
        Binding("r", "change('retry')", "Retry"),
        Binding("d", "change('redirect')", "Redirect"),
        Binding("x", "change('remove')", "Remove"),
        Binding("e", "export", "Export", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def body(self) -> ComposeResult:
        yield InputLine(placeholder=HELP, compact=True, id="filter")
        yield Line(name="counts")
        yield Table[QueueEntry](
            _COLUMNS, lambda entry: entry.queue_id, empty="Nothing waits.", marks=True, opens=True
        )

    def begin(self) -> None:
        self._wanted = QueueFilter()
        self.table.show(self._rows())
        self.table.focus()
        self.renew(self.table.renew)

    @property
    def table(self) -> Table[QueueEntry]:
        """The messages."""
        return self.query_one(Table)

    def _rows(self) -> PagedRows[QueueEntry]:
        wanted = self._wanted

        async def read(after: str) -> Chunk[QueueEntry]:
            page: QueuePage = await self.node.ask(
                lambda client: client.queue_page(wanted, _PAGE, after)
            )
            return Chunk(page.entries, page.after)

        return PagedRows(read)

    def node_changed(self) -> None:
        self.table.unmark()
        self.table.show(self._rows())

    def on_input_changed(self, event: Input.Changed) -> None:
        try:
            wanted = parse(event.value)
        except NoFilter as error:
            self._tell(Content.assemble(("▲ ", "$warning"), foreign(str(error), LINE)))
            return
        if wanted != self._wanted:
            self._wanted = wanted
            self.node_changed()

    def on_input_submitted(self) -> None:
        self.table.focus()

    def on_table_moved(self) -> None:
        table = self.table
        told = counted(table.rows.count, "message")
        more = " or more" if table.rows.more else ""
        marked = f", {table.marked} marked" if table.marked else ""
        self._tell(Content.assemble((f"{told}{more}{marked}", "$quiet")))

    def on_table_opened(self, message: Table.Opened) -> None:
        self.console.open_message(message.row.queue_id)

    def on_table_failed(self, message: Table.Failed) -> None:
        self.trouble(message.trouble)

    def _tell(self, content: Content) -> None:
        self.query_one("#counts", Line).show(content)

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """From the filter to the table; there, show everything again, or mark none."""
        typed = self.query_one(Input)
        if self.focused is typed:
            self.table.focus()
        elif self.table.marked:
            self.table.unmark()
        else:
            typed.value = ""

    def action_change(self, action: str) -> None:
        """Do something to the chosen messages, after asking."""
        if chosen := self.table.chosen:
            change(self, action, chosen)

    def action_export(self) -> None:
        if chosen := self.table.chosen:
            export(self, chosen)


def _states(entry: QueueEntry) -> Content:
    return states_text([str(one.status) for one in entry.recipients])


_COLUMNS: Sequence[Column[QueueEntry]] = (
    Column("Queue id", lambda entry: Content(entry.queue_id), 14),
    Column("Age", lambda entry: Content(time_text(entry.age)), 9, right=True),
    Column("Size", lambda entry: Content(bytes_text(entry.size)), 9, right=True, wide=True),
    Column("Status", _states, 10),
    Column("Next try", lambda entry: due_text(entry.recipients), 11, wide=True),
    Column("From", lambda entry: sender_text(entry.sender), 10, share=4),
    Column("To", lambda entry: recipients_text(entry.recipients, entry.others), 10, share=5),
    Column("Node", lambda entry: foreign(entry.owner, 12), 6, wide=True),
)
