"""Queue: what waits, why, until when; and what an operator can do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from appliance.control.schema import TARGETS_LIMIT, Selection
from appliance.mail.figures import bytes_text, counted, time_text
from appliance.mail.views import QueueEntry, QueueFilter, QueuePage
from tui.dialogs import Question
from tui.page import Page
from tui.rows import Chunk, PagedRows
from tui.screens.queue_filter import HELP, NoFilter, parse
from tui.text import EMPTY, LINE, foreign, join
from tui.widgets.line import Line
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.mail.views import CommandResult

_PAGE = 200
_BATCH = 200
"""Messages in one request: one group commit on both nodes."""


class Queue(Page):
    """The messages in the queue."""

    ABOUT: ClassVar[str] = """
        Messages that wait, the newest first. Press / and type to filter: any part of an address
        or of a queue id, or from:ADDRESS, to:ADDRESS, from:@domain, is:held. The space bar marks
        messages; what you then do is done to all that are marked, else to the one under the
        cursor. Enter shows a message and its story. Hold keeps messages until you release them.
        Retry makes deferred ones due now. Remove takes them out for good; nobody is told.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("h", "change('hold')", "Hold"),
        Binding("l", "change('release')", "Release"),
        Binding("r", "change('retry')", "Retry"),
        Binding("d", "redirect", "Redirect"),
        Binding("x", "change('remove')", "Remove"),
        Binding("escape", "back", "Back", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Input(placeholder=HELP, compact=True, id="filter")
        yield Line(name="counts")
        yield Table[QueueEntry](
            _COLUMNS, lambda entry: entry.queue_id, empty="Nothing waits.", marks=True
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

    def on_input_changed(self, event: Input.Changed) -> None:
        try:
            wanted = parse(event.value)
        except NoFilter as error:
            self._count(Content.assemble(("▲ ", "$warning"), foreign(str(error), LINE)))
            return
        if wanted != self._wanted:
            self._wanted = wanted
            self.table.unmark()
            self.table.show(self._rows())

    def on_input_submitted(self) -> None:
        self.table.focus()

    def on_table_moved(self) -> None:
        table = self.table
        told = counted(table.rows.count, "message")
        more = " or more" if table.rows.more else ""
        marked = f", {table.marked} marked" if table.marked else ""
        self._count(Content.assemble((f"{told}{more}{marked}", "$quiet")))

    def on_table_failed(self, message: Table.Failed) -> None:
        self.trouble(message.trouble)

    def _count(self, content: Content) -> None:
        self.query_one("#counts", Line).show(content)

    def node_changed(self) -> None:
        self.table.unmark()
        self.table.show(self._rows())

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """From the filter to the table; there, show everything again."""
        typed = self.query_one(Input)
        if self.focused is typed:
            self.table.focus()
        elif typed.value:
            typed.value = ""
        else:
            self.table.unmark()

    def action_change(self, action: str) -> None:
        """Do something to the chosen messages, after asking."""
        if chosen := self.table.chosen:
            question = _question(action, chosen)
            self.act(question, lambda client, _: carry_out(client, action, chosen), _told(action))

    def action_redirect(self) -> None:
        chosen = self.table.chosen
        if not chosen:
            return
        question = Question(
            "Send to another recipient",
            Content.assemble(
                f"{counted(len(chosen), 'message')} will go to the address that you type, "
                "instead of to the recipients that are still open."
            ),
            "Redirect",
            field="New recipient:",
            check=_address,
        )
        self.act(
            question,
            lambda client, address: carry_out(client, "redirect", chosen, address),
            _told("redirect"),
        )


def carry_out(
    client: Client, action: str, chosen: Sequence[QueueEntry], address: str = ""
) -> list[CommandResult]:
    """Do it to all of them, some at a time."""
    assert _BATCH <= TARGETS_LIMIT
    results: list[CommandResult] = []
    for start in range(0, len(chosen), _BATCH):
        targets = [Selection(one.queue_id) for one in chosen[start : start + _BATCH]]
        results += client.command(action, targets, address)
    return results


_WHAT = {
    "hold": ("Hold", "will stay in the queue until somebody releases them."),
    "release": ("Release", "will go out as soon as there is a way."),
    "retry": ("Try again now", "that are deferred will be tried again at once."),
    "remove": (
        "Remove for good",
        "will be taken out of the queue. They are not delivered, and nobody is told: neither "
        "senders nor recipients. This cannot be taken back.",
    ),
}
_DONE = {
    "hold": "held",
    "release": "released",
    "retry": "due now",
    "remove": "removed",
    "redirect": "redirected",
}


def _question(action: str, chosen: Sequence[QueueEntry]) -> Question | None:
    """Nothing is asked for what can be taken back and is about one message."""
    if action != "remove" and len(chosen) == 1:
        return None
    title, what = _WHAT[action]
    says = f"{counted(len(chosen), 'message')} {what}"
    about = EMPTY
    if len(chosen) == 1:
        one = chosen[0]
        about = Content.assemble("\n\n", one.queue_id, "  ", _sender(one), " → ", _recipients(one))
    return Question(title, Content.assemble(says, about), title, danger=action == "remove")


def _told(action: str) -> Callable[[Sequence[CommandResult]], Content]:
    def told(results: Sequence[CommandResult]) -> Content:
        changed = [one for one in results if one.changed]
        recipients = sum(one.changed for one in changed)
        said = Content(
            f"{counted(recipients, 'recipient')} of {counted(len(changed), 'message')} "
            f"{_DONE[action]}"
        )
        failed = [one for one in results if one.error]
        if failed:
            first = failed[0]
            why = foreign(first.error, LINE)
            hint = Content.assemble(" → ", foreign(first.hint, LINE)) if first.hint else EMPTY
            said = Content.assemble(
                said, f". Not done for {counted(len(failed), 'message')}: ", why, hint
            )
        return said

    return told


def _address(typed: str) -> str:
    local, at, domain = typed.strip().rpartition("@")
    return "" if local and at and domain else "write an address: user@example.org"


def _sender(entry: QueueEntry) -> Content:
    return foreign(entry.sender) if entry.sender else Content.assemble(("<> (a report)", "$quiet"))


def _recipients(entry: QueueEntry) -> Content:
    shown = [foreign(one.address) for one in entry.recipients[:3]]
    hidden = len(entry.recipients[3:]) + entry.others
    more = Content(f" and {hidden} more") if hidden else EMPTY
    return Content.assemble(join(shown, ", "), more)


_SIGNS = {
    "queued": ("· ", ""),
    "leased": ("→ ", "$success"),
    "deferred": ("▲ ", "$warning"),
    "held": ("■ ", "$accent"),
    "waiting": ("… ", "$quiet"),
}


def _status(entry: QueueEntry) -> Content:
    states = list(dict.fromkeys(str(one.status) for one in entry.recipients))
    sign, style = _SIGNS.get(states[0], ("", "")) if states else ("", "")
    return Content.assemble((sign + ", ".join(states), style))


def _due(entry: QueueEntry) -> Content:
    dues = [one.due_in for one in entry.recipients if one.due_in is not None]
    if not dues:
        return Content("–")
    soonest = min(dues)
    return Content("in " + time_text(soonest) if soonest > 0 else "now")


_COLUMNS: Sequence[Column[QueueEntry]] = (
    Column("Queue id", lambda entry: Content(entry.queue_id), 15),
    Column("Age", lambda entry: Content(time_text(entry.age)), 10, right=True),
    Column("Size", lambda entry: Content(bytes_text(entry.size)), 10, right=True, wide=True),
    Column("Status", _status, 12),
    Column("Next try", _due, 11, wide=True),
    Column("From", _sender, 10, share=4),
    Column("To", _recipients, 10, share=5),
    Column("Node", lambda entry: foreign(entry.owner, 12), 6, wide=True),
)
