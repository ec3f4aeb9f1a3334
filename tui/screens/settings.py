"""Settings: the site that both nodes share, in versions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.schema import ChangeSite
from appliance.control.schema_node import NodeText
from appliance.control.schema_site import SiteDraft
from appliance.mail.figures import counted
from appliance.mail.views import SiteVersionView
from tui.dialogs import Dialog, Question
from tui.listing import Listing
from tui.node import Trouble
from tui.page import problem
from tui.screens.editor import Editor, differs, own, question, site
from tui.text import EMPTY, LINE, foreign, lines, moment
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client

_SHOWN = 12


class Settings(Listing[SiteVersionView]):
    """The versions of the site, the latest first."""

    ABOUT: ClassVar[str] = """
        Domains, users, aliases, routes, pools, limits and policy are one document that both nodes
        share. e edits it as text: it is checked, what would change is shown, and both nodes act on
        it at once. Each change is a version; below the list stands what going back to the one under
        the cursor would change, and r does that. A BRANCH was made while the nodes were apart and
        does not apply: r takes it, s keeps what is in force. n edits, in the same way, what is the
        node's own: node.toml, with the addresses that it listens at (docs/settings.md).
    """
    EMPTY_TEXT: ClassVar[str] = "There is no version yet: site.toml applies."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit"),
        Binding("r", "rollback", "Roll back"),
        Binding("s", "settle", "Settle branches"),
        Binding("n", "node", "This node"),
    ]

    def columns(self) -> Sequence[Column[SiteVersionView]]:
        return (
            Column("No.", lambda one: Content(str(one.number)), 5, right=True),
            Column("", _standing, 11),
            Column("When (UTC)", lambda one: Content(moment(one.at) if one.at else "–"), 19),
            Column(
                "By", lambda one: foreign(one.author) if one.author else Content("site.toml"), 10
            ),
            Column("Why", lambda one: foreign(one.comment, LINE), 10, share=1),
            Column("On node", lambda one: foreign(one.node, 12), 8, wide=True),
        )

    def key(self, row: SiteVersionView) -> Hashable:
        return row.id

    def read(self, client: Client) -> Sequence[SiteVersionView]:
        return client.site_history()

    def counted(self, rows: Sequence[SiteVersionView]) -> str:
        return counted(len(rows), "version")

    def begin(self) -> None:
        self._draft: tuple[str, SiteDraft] | None = None
        super().begin()
        self._compared = self.follow(self._compare, self._show_draft)

    def _compare(self, client: Client) -> tuple[str, SiteDraft] | None:
        row = self.row
        return (row.id, client.draft_of(row.id)) if row is not None else None

    def _show_draft(self, found: tuple[str, SiteDraft] | None) -> None:
        self._draft = found
        self._tell()

    def on_table_moved(self) -> None:
        super().on_table_moved()
        self._compared.hurry()

    def detail(self, row: SiteVersionView) -> Content:
        if self._draft is None or self._draft[0] != row.id:
            return EMPTY
        found = self._draft[1].changes
        if not found:
            return lines([EMPTY, Content("It says what is in force.")])
        shown = [differs(one.key, one.before, one.after) for one in found[:_SHOWN]]
        more = [Content(f"… and {len(found) - _SHOWN} more")] if len(found) > _SHOWN else []
        head = Content.assemble(("Going back to it would change:", "$quiet"))
        return lines([EMPTY, head, *shown, *more])

    def action_edit(self) -> None:
        self.run_worker(self._edit(), group="act")

    async def _edit(self) -> None:
        try:
            text = await self.node.ask(lambda client: client.site_text())
        except Trouble as trouble:
            self.console.tell(problem(trouble), "error")
            return
        made = await self.app.push_screen_wait(Editor(self.node, site(text)))
        if made is not None:
            self.console.tell(Content(f"Version {made.number} is in force."), "information")
            self.hurry()

    def action_node(self) -> None:
        self.run_worker(self._node_settings(), group="act")

    async def _node_settings(self) -> None:
        try:
            text, name = await self.node.ask(_own)
        except Trouble as trouble:
            self.console.tell(problem(trouble), "error")
            return
        made = await self.app.push_screen_wait(Editor(self.node, own(text, name)))
        if made is not None:
            said = "node.toml is written, and the services start anew."
            self.console.tell(Content(said), "information")

    def action_rollback(self) -> None:
        if (row := self.row) is not None:
            self.run_worker(self._roll_back(row), group="act")

    async def _roll_back(self, row: SiteVersionView) -> None:
        try:
            draft = await self.node.ask(lambda client: client.draft_of(row.id))
        except Trouble as trouble:
            self.console.tell(problem(trouble), "error")
            return
        settles = (row.id,) if row.standing == "branch" else ()
        if not draft.changes and not settles:
            self.console.tell(Content("It says what is in force."), "information")
            return
        asked = question(f"Back to version {row.number}", draft)
        why = await self.app.push_screen_wait(Dialog(asked))
        if why is not None:
            comment = why or f"back to {row.number}"
            change = ChangeSite(draft.document, draft.parent, comment, settles)
            self.act(None, lambda client, _: client.change_site(change), _made)

    def action_settle(self) -> None:
        rows = map(self.table.rows.row, range(self.table.rows.count))
        if not any(row is not None and row.standing == "branch" for row in rows):
            self.console.tell(Content("There is nothing to settle: no branches."), "information")
            return
        asked = Question(
            "Settle the branches",
            Content(
                "What is in force stays so, and what was changed on the other side while the nodes "
                "were apart is set aside for good. Users whom it disabled stay disabled."
            ),
            "Settle",
            danger=True,
        )

        def call(client: Client, _: str) -> SiteVersionView:
            site = client.site()
            ended = tuple(one.id for one in site.branches)
            head = site.head.id if site.head is not None else ""
            return client.change_site(ChangeSite(site.document, head, "settles branches", ended))

        self.act(asked, call, _made)


def _made(version: SiteVersionView) -> Content:
    return Content(f"Version {version.number} is in force.")


def _own(client: Client) -> tuple[NodeText, str]:
    return client.node_text(), client.status().name


def _standing(one: SiteVersionView) -> Content:
    match one.standing:
        case "head":
            return Content.assemble(("● in force", "$success"))
        case "branch":
            return Content.assemble(("▲ BRANCH", "bold $warning"))
    return EMPTY
