"""The site as text, to be changed: checked by the node, shown as a difference, then applied."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import TextArea

from appliance.control.schema import ChangeSite
from appliance.control.schema_site import SiteDraft, SiteText
from appliance.mail.views import SiteVersionView
from tui.dialogs import Dialog, Question
from tui.node import Node, Trouble
from tui.page import problem
from tui.text import EMPTY, LINE, foreign, lines
from tui.widgets.line import Line, Text

_MOST = 200
"""Changes that are shown; more are counted."""


class SiteEditor(ModalScreen[SiteVersionView | None]):
    """Gives the new version, None if nothing was applied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "apply", "Check and apply", priority=True),
        Binding("escape", "leave", "Leave", priority=True),
    ]

    def __init__(self, node: Node, site: SiteText) -> None:
        super().__init__()
        self._node = node
        self._site = site

    def compose(self) -> ComposeResult:
        with Vertical(classes="editor"):
            keys = Content.assemble(
                ("The site", "bold"),
                ("  Ctrl+S checks, shows what changes and asks; Esc leaves all as it is", "$quiet"),
            )
            yield Line(keys, classes="dialog-title")
            yield TextArea(self._site.text, show_line_numbers=True, compact=True)
            yield Text(name="wrong")

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()

    def on_text_area_changed(self) -> None:
        self._say(EMPTY)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_apply(self) -> None:
        self.run_worker(self._apply(), group="act", exclusive=True)

    async def _apply(self) -> None:
        text = self.query_one(TextArea).text
        try:
            draft = await self._node.ask(lambda client: client.check_site(text))
            if not draft.changes:
                self._say(Content("Nothing would change."))
                return
            why = await self.app.push_screen_wait(Dialog(question("Change the site", draft)))
            if why is None:
                return
            # The version that the text was made from: a change by somebody else is not undone.
            change = ChangeSite(draft.document, self._site.parent, why)
            made = await self._node.ask(lambda client: client.change_site(change), None)
        except Trouble as trouble:
            self._say(problem(trouble))
        else:
            self.dismiss(made)

    def _say(self, content: Content) -> None:
        self.query_one("#wrong", Text).show(content)


def question(title: str, draft: SiteDraft) -> Question:
    """What a draft would change, and why somebody wants it."""
    shown = [differs(one.key, one.before, one.after) for one in draft.changes[:_MOST]]
    if more := len(draft.changes) - len(shown):
        shown.append(Content(f"… and {more} more"))
    head = Content("Both nodes act on this at once; it can be rolled back.\n")
    return Question(title, lines([head, *shown]), "Apply", field="Why, for the history:")


def differs(key: str, before: str | None, after: str | None) -> Content:
    """One setting, as it was and as it will be."""
    name = foreign(key, LINE, "bold")
    if before is None:
        return Content.assemble(("+ ", "$success"), name, " = ", foreign(after or "", LINE))
    if after is None:
        return Content.assemble(("- ", "$error"), name, " = ", foreign(before, LINE))
    was, will = foreign(before, LINE), foreign(after, LINE)
    return Content.assemble(("~ ", "$warning"), name, " = ", was, (" → ", "$quiet"), will)
