"""Search: mail by its text, wherever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from appliance.ipc.search import Hit, MessagePreview, SearchPage, SearchView
from appliance.mail.figures import bytes_text, counted
from tui.node import Trouble
from tui.page import Page, problem
from tui.rows import Chunk, ListRows, PagedRows
from tui.screens.preview import preview_text
from tui.screens.queue_words import sender_text, states_text
from tui.text import EMPTY, LINE, foreign, join, lines, moment
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

_PAGE = 50
_HELP = """\
Words that are all there    tide tables
Phrases, beginnings         "tide tables"  harbo*
Fields                      from: to: subject: body: attachment: id:
Times (UTC)                 before:2026-10-31 after:7d during:2026-10
Where it stands             is:queued deferred held delivered bounced
Together                    AND  OR  NOT  ( )  -word is NOT word

Enter in a result shows its story, Tab leads on."""


class Search(Page):
    """Finds mail by its text."""

    ABOUT: ClassVar[str] = """
        Type what you look for and press Enter. Found is mail that waits, that was delivered, and
        that lies in mailboxes, on either node, newest first. The text of the message under the
        cursor is shown beside it or below, made harmless. Enter shows its story.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "query", "Query", key_display="/"),
        Binding("escape", "back", "Back", show=False),
    ]

    def body(self) -> ComposeResult:
        yield InputLine(placeholder="what to look for", compact=True, id="filter")
        yield Line(name="counts")
        with Horizontal(id="found"):
            yield Table[Hit](_COLUMNS, lambda hit: hit.queue_id, empty="", opens=True)
            with VerticalScroll(id="beside", can_focus=True):
                yield Text(Content(_HELP), name="preview")

    def begin(self) -> None:
        self._query = ""
        self._missing = ""
        self._looked_at = ""
        self.query_one(Input).focus()
        self.follow(lambda client: client.search_status(), self._show_index, every=5.0)

    @property
    def table(self) -> Table[Hit]:
        """What was found."""
        return self.query_one(Table)

    def _show_index(self, view: SearchView) -> None:
        if not self._query:
            told = f"{view.documents:,} can be found"
            waiting = f", {view.waiting:,} not yet" if view.waiting else ""
            damaged = f", {counted(view.damaged, 'part')} will be rebuilt" if view.damaged else ""
            self._tell(Content.assemble((f"{told}{waiting}{damaged}", "$quiet")))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._query = event.value.strip()
        self._missing = ""
        self._find()
        if self._query:
            self.table.focus()

    def node_changed(self) -> None:
        self._find()

    def _find(self) -> None:
        self._looked_at = ""
        self.query_one("#preview", Text).show(EMPTY if self._query else Content(_HELP))
        if not self._query:
            self.table.show(ListRows())
            self.hurry(forget=True)
            return
        self._tell(Content.assemble(("Searching …", "$quiet")))
        self.table.show(self._rows())

    def _rows(self) -> PagedRows[Hit]:
        query = self._query

        async def read(after: str) -> Chunk[Hit]:
            page: SearchPage = await self.node.ask(
                lambda client: client.search(query, _PAGE, after), 35.0
            )
            if query == self._query:
                self._missing = page.missing
            return Chunk(page.hits, page.after)

        return PagedRows(read)

    def on_table_moved(self, message: Table.Moved) -> None:
        if not self._query:
            return
        rows = self.table.rows
        told = [f"{rows.count:,} found" + (" so far" if rows.more else "")]
        if self._missing:
            why = Content.assemble(("▲ there may be more: ", "$warning"))
            self._tell(Content.assemble(told[0], "  ", why, foreign(self._missing, LINE)))
        else:
            nothing = not rows.count and not rows.more
            self._tell(Content.assemble(("Nothing found" if nothing else told[0], "$quiet")))
        hit = message.row
        if isinstance(hit, Hit) and hit.queue_id != self._looked_at:
            self._looked_at = hit.queue_id
            self.query_one("#preview", Text).show(_snippet(hit))
            self.run_worker(self._look(hit), group="look", exclusive=True)

    async def _look(self, hit: Hit) -> None:
        try:
            seen: MessagePreview = await self.node.ask(lambda client: client.preview(hit.queue_id))
            told = preview_text(seen)
        except Trouble as trouble:
            told = problem(trouble)
        if hit.queue_id == self._looked_at:
            self.query_one("#preview", Text).show(lines([_snippet(hit), EMPTY, told]))
            self.query_one("#beside").scroll_home(animate=False)

    def on_table_failed(self, message: Table.Failed) -> None:
        self._tell(problem(message.trouble))

    def on_table_opened(self, message: Table.Opened) -> None:
        self.console.open_message(message.row.queue_id)

    def _tell(self, content: Content) -> None:
        self.query_one("#counts", Line).show(content)

    def action_query(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """From the query to what was found; there, to a new query."""
        typed = self.query_one(Input)
        if self.focused is typed and self._query:
            self.table.focus()
        else:
            typed.value = ""
            typed.focus()


def _snippet(hit: Hit) -> Content:
    """Where it stands, and its text round what was found."""
    pieces = [foreign(one.text, LINE, "bold $accent" if one.hit else "") for one in hit.snippet]
    head = Content.assemble((hit.queue_id, "bold"), "  ", states_text(list(hit.status)))
    return lines([head, EMPTY.join(pieces)]) if pieces else head


def _to(hit: Hit) -> Content:
    more = Content(f" and {len(hit.recipients) - 2} more") if len(hit.recipients) > 2 else EMPTY
    return Content.assemble(join([foreign(one) for one in hit.recipients[:2]], ", "), more)


_COLUMNS: Sequence[Column[Hit]] = (
    Column("Received", lambda hit: Content(moment(hit.received_at)[:16]), 16),
    Column("Status", lambda hit: states_text(list(hit.status)), 11),
    Column("From", lambda hit: sender_text(hit.sender), 12, share=2),
    Column("To", _to, 12, share=2, wide=True),
    Column("Subject", lambda hit: foreign(hit.subject, 200), 12, share=4),
    Column("Size", lambda hit: Content(bytes_text(hit.size)), 9, right=True, wide=True),
)
