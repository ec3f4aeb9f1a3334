"""Settings as text, to be changed: checked by the node, shown as a difference, then applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import TextArea

from appliance.control.client import Client
from appliance.control.schema import ChangeSite
from appliance.control.schema_node import NodeDraft, NodeText
from appliance.control.schema_site import SettingChange, SiteDraft, SiteText
from appliance.mail.views import SiteVersionView
from tui.dialogs import Dialog, Question
from tui.node import Node, Trouble
from tui.page import problem
from tui.text import EMPTY, LINE, foreign, lines
from tui.widgets.line import Line, Text

_MOST = 200
"""Changes that are shown; more are counted."""


class Draft(Protocol):
    """What a text would change."""

    @property
    def changes(self) -> Sequence[SettingChange]:
        """Nothing, if it says what is in force."""


D = TypeVar("D", bound=Draft)
M = TypeVar("M")


@dataclass(frozen=True)
class Edited(Generic[D, M]):
    """What is edited, and how it is checked and applied; `before` can be had back, "" cannot.

    `apply` gets the draft and what was typed into the question.
    """

    title: str
    text: str
    check: Callable[[Client, str], D]
    question: Callable[[D], Question]
    apply: Callable[[Client, D, str], M]
    before: str = ""


class Editor(ModalScreen[M | None], Generic[D, M]):
    """Gives what was made, None if nothing was applied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "apply", "Check and apply", priority=True),
        Binding("ctrl+r", "before", "What it said before", priority=True),
        Binding("escape", "leave", "Leave", priority=True),
    ]

    def __init__(self, node: Node, edited: Edited[D, M]) -> None:
        super().__init__()
        self._node = node
        self._edited = edited

    def compose(self) -> ComposeResult:
        back = ", Ctrl+R: as it was" if self._edited.before else ""
        with Vertical(classes="editor"):
            keys = Content.assemble(
                (self._edited.title, "bold"),
                (f"  Ctrl+S checks and asks, Esc leaves{back}", "$quiet"),
            )
            yield Line(keys, classes="dialog-title")
            yield TextArea(self._edited.text, show_line_numbers=True, compact=True)
            yield Text(name="wrong")

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()

    def on_text_area_changed(self) -> None:
        self._say(EMPTY)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_before(self) -> None:
        if self._edited.before:
            self.query_one(TextArea).text = self._edited.before

    def action_apply(self) -> None:
        self.run_worker(self._apply(), group="act", exclusive=True)

    async def _apply(self) -> None:
        text, edited = self.query_one(TextArea).text, self._edited
        try:
            draft = await self._node.ask(lambda client: edited.check(client, text))
            if not draft.changes:
                self._say(Content("Nothing would change."))
                return
            typed = await self.app.push_screen_wait(Dialog(edited.question(draft)))
            if typed is None:
                return
            made = await self._node.ask(lambda client: edited.apply(client, draft, typed), None)
        except Trouble as trouble:
            self._say(problem(trouble))
        else:
            self.dismiss(made)

    def _say(self, content: Content) -> None:
        self.query_one("#wrong", Text).show(content)


def site(text: SiteText) -> Edited[SiteDraft, SiteVersionView]:
    """The site that both nodes share."""

    def apply(client: Client, draft: SiteDraft, why: str) -> SiteVersionView:
        # The version that the text was made from: a change by somebody else is not undone.
        return client.change_site(ChangeSite(draft.document, text.parent, why))

    return Edited(
        "The site",
        text.text,
        lambda client, typed: client.check_site(typed),
        lambda draft: question("Change the site", draft),
        apply,
    )


def own(text: NodeText, name: str) -> Edited[NodeDraft, NodeDraft]:
    """node.toml of the node of that name."""

    def asks(draft: NodeDraft) -> Question:
        head = Content.assemble(
            "The services of node ",
            foreign(name, 40, "bold"),
            " start anew; the other node serves meanwhile. With a wrong address this one is cut "
            "off: then put it right at its own screen, where Ctrl+R brings back what it said.\n",
        )
        title = "Change this node's settings"
        return Question(title, lines([head, *_shown(draft)]), "Apply", danger=True, word=name)

    return Edited(
        f"node.toml of {foreign(name, 40).plain}",
        text.text,
        lambda client, typed: client.check_node(typed),
        asks,
        lambda client, draft, _: client.change_node(draft.text, text.text),
        text.before,
    )


def question(title: str, draft: SiteDraft) -> Question:
    """What a draft would change, and why somebody wants it."""
    head = Content("Both nodes act on this at once; it can be rolled back.\n")
    return Question(title, lines([head, *_shown(draft)]), "Apply", field="Why, for the history:")


def _shown(draft: Draft) -> Sequence[Content]:
    shown = [differs(one.key, one.before, one.after) for one in draft.changes[:_MOST]]
    if more := len(draft.changes) - len(shown):
        shown.append(Content(f"… and {more} more"))
    return shown


def differs(key: str, before: str | None, after: str | None) -> Content:
    """One setting, as it was and as it will be."""
    name = foreign(key, LINE, "bold")
    if before is None:
        return Content.assemble(("+ ", "$success"), name, " = ", foreign(after or "", LINE))
    if after is None:
        return Content.assemble(("- ", "$error"), name, " = ", foreign(before, LINE))
    was, will = foreign(before, LINE), foreign(after, LINE)
    return Content.assemble(("~ ", "$warning"), name, " = ", was, (" → ", "$quiet"), will)
