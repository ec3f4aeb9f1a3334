"""Mailboxes: who has mail here, and how much."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from appliance.mail.figures import bytes_text, counted
from appliance.mail.views import MailboxView
from tui.listing import Listing
from tui.screens.mailbox import Mailbox
from tui.text import foreign
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client


class Mailboxes(Listing[MailboxView]):
    """The mailboxes that hold something."""

    OPENS: ClassVar[bool] = True
    ABOUT: ClassVar[str] = """
        The mailboxes that hold mail, by name. Enter opens one and shows its messages, the newest
        first; Enter there shows a message. Both nodes hold the same.
    """
    EMPTY_TEXT: ClassVar[str] = "No mailbox holds anything."

    def columns(self) -> Sequence[Column[MailboxView]]:
        return _COLUMNS

    def key(self, row: MailboxView) -> Hashable:
        return row.name

    def read(self, client: Client) -> Sequence[MailboxView]:
        return client.mailboxes()

    def counted(self, rows: Sequence[MailboxView]) -> str:
        messages = f"{sum(one.messages for one in rows):,} messages"
        size = bytes_text(sum(one.size for one in rows))
        return f"{counted(len(rows), 'mailbox', 'mailboxes')}, {messages}, {size}"

    def on_table_opened(self, message: Table.Opened) -> None:
        self.app.push_screen(Mailbox(message.row.name))


_COLUMNS: Sequence[Column[MailboxView]] = (
    Column("Mailbox", lambda one: foreign(one.name), 20, share=1),
    Column("Messages", lambda one: Content(f"{one.messages:,}"), 12, right=True),
    Column("Size", lambda one: Content(bytes_text(one.size)), 12, right=True),
)
