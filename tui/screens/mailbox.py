"""One mailbox: its messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.mail.figures import bytes_text, counted
from appliance.mail.views import MailboxEntry, MailboxPage
from tui.page import Page
from tui.registry import Entry
from tui.rows import Chunk, PagedRows
from tui.screens.queue_words import sender_text
from tui.text import foreign, join, moment
from tui.widgets.line import Line
from tui.widgets.table import Column, Table

ENTRY = Entry("", "Mailbox", "mailbox:Mailbox", "the messages of one mailbox")
_PAGE = 200


class Mailbox(Page):
    """What lies in a mailbox of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        The messages of one mailbox, the newest first; more are read as you go down. Enter shows a
        message, its story and its text, made harmless. Esc leads back.
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def __init__(self, mailbox: str) -> None:
        super().__init__(ENTRY)
        self._mailbox = mailbox

    def body(self) -> ComposeResult:
        yield Line(name="counts")
        yield Table[MailboxEntry](
            _COLUMNS, lambda one: one.queue_id, empty="It is empty.", opens=True
        )

    def begin(self) -> None:
        self.table.show(self._rows())
        self.table.focus()
        self.renew(self.table.renew)

    @property
    def table(self) -> Table[MailboxEntry]:
        """The messages."""
        return self.query_one(Table)

    def _rows(self) -> PagedRows[MailboxEntry]:
        async def read(after: str) -> Chunk[MailboxEntry]:
            page: MailboxPage = await self.node.ask(
                lambda client: client.mailbox_page(self._mailbox, _PAGE, after, newest=True)
            )
            return Chunk(page.entries, page.after)

        return PagedRows(read)

    def node_changed(self) -> None:
        self.table.show(self._rows())

    def on_table_moved(self) -> None:
        rows = self.table.rows
        told = counted(rows.count, "message") + (" or more" if rows.more else "")
        name = foreign(self._mailbox, style="bold")
        self.query_one("#counts", Line).show(Content.assemble(name, (f"  {told}", "$quiet")))

    def on_table_opened(self, message: Table.Opened) -> None:
        self.console.open_message(message.row.queue_id)

    def on_table_failed(self, message: Table.Failed) -> None:
        self.trouble(message.trouble)

    def action_back(self) -> None:
        self.app.pop_screen()


def _recipients(entry: MailboxEntry) -> Content:
    return join([foreign(one) for one in entry.recipients], ", ")


_COLUMNS: Sequence[Column[MailboxEntry]] = (
    Column("Received (UTC)", lambda one: Content(moment(one.received_at)), 19),
    Column("From", lambda one: sender_text(one.sender), 12, share=3),
    Column("For", _recipients, 12, share=2),
    Column("Size", lambda one: Content(bytes_text(one.size)), 9, right=True),
    Column("Queue id", lambda one: Content(one.queue_id), 14, wide=True),
)
