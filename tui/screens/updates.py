"""Updates: what both nodes run, bundles on sticks, and the way from one release to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema_updates import (
    ChosenBundle,
    FoundBundle,
    RollView,
    Updates,
    UpdateView,
)
from appliance.mail.figures import bytes_text
from tui.page import Page
from tui.rows import ListRows
from tui.screens.updates_words import back, notes_text, pair, single, standing_text, stop
from tui.site import Site
from tui.text import EMPTY, foreign
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from tui.dialogs import Question

_BUNDLES_EVERY = 5.0


class UpdateDesk(Page):
    """How updates stand, and begin."""

    ABOUT: ClassVar[str] = """
        What both nodes run, and the bundles on sticks that are mounted here. u updates the pair:
        the Backup first, then, when the nodes are paired again, the other one; mail goes on all the
        time. The bundle goes to the other node by itself. A release that does not do its work is
        taken back by its node, and nothing that was accepted is lost. n updates this node alone,
        b goes back to the release before, x begins nothing more. You may leave this screen.
    """
    NEEDS: ClassVar = dict.fromkeys(
        ("update_pair", "update_node", "go_back", "stop"), Role.ADMINISTRATOR
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "update_pair", "Update the pair"),
        Binding("n", "update_node", "This node only"),
        Binding("b", "go_back", "Go back"),
        Binding("x", "stop", "Stop"),
    ]

    def body(self) -> ComposeResult:
        yield Text(name="standing")
        yield Line(Content.assemble(("Bundles on sticks", "bold")))
        yield Table[FoundBundle](
            _COLUMNS,
            lambda one: (one.folder, one.name),
            empty="No bundle: put a stick in, and mount it.",
        )
        with VerticalScroll(id="notes-box", can_focus=False):
            yield Text(name="notes")

    def begin(self) -> None:
        self._updates: Updates | None = None
        self.query_one(Table).focus()
        self.follow(lambda client: client.updates(), self._show_updates)
        self.follow(lambda client: client.bundles(), self._show_bundles, every=_BUNDLES_EVERY)

    def node_changed(self) -> None:
        self._updates = None
        self._show()

    def site_changed(self, site: Site) -> None:
        self._show()

    def _show_updates(self, found: Updates) -> None:
        self._updates = found
        self._show()

    def _show_bundles(self, found: Sequence[FoundBundle]) -> None:
        self.query_one(Table).show(ListRows(found), stay=True)
        self._tell(self.query_one(Table).row)

    def _show(self) -> None:
        text = EMPTY
        if self._updates is not None:
            text = standing_text(self._updates, self.console.site)
        self.query_one("#standing", Text).show(text)

    def on_table_moved(self, message: Table.Moved) -> None:
        self._tell(message.row)

    def _tell(self, row: object) -> None:
        text = notes_text(row) if isinstance(row, FoundBundle) else EMPTY
        self.query_one("#notes", Text).show(text)

    def action_update_pair(self) -> None:
        """Both nodes, one after the other."""
        if (bundle := self._usable()) is not None and self._updates is not None:
            self._begin(pair(bundle, self._updates), bundle)

    def _begin(self, question: Question, bundle: FoundBundle) -> None:
        chosen = ChosenBundle(folder=bundle.folder, name=bundle.name)
        self.act(question, lambda client, _: client.update_pair(chosen), _rolling)

    def action_update_node(self) -> None:
        """The node that is looked at."""
        bundle = self._usable()
        status = self.console.site.side(self.node.other).status
        if bundle is None or status is None:
            return
        alone = status.mode != "paired"
        chosen = ChosenBundle(folder=bundle.folder, name=bundle.name, while_alone=alone)
        question = single(bundle, status.name, alone=alone)
        self.act(question, lambda client, _: client.start_update(chosen), _begun)

    def action_go_back(self) -> None:
        """To the release before, on the node that is looked at."""
        if (found := self._updates) is None:
            return
        if not found.before:
            self.console.tell(Content("There is no release to go back to."), "warning")
            return
        self.act(back(found), lambda client, _: client.go_back(), _begun)

    def action_stop(self) -> None:
        """Let the update of the pair begin nothing more."""
        self.act(
            stop(), lambda client, _: client.stop_roll(), lambda _: Content("It has been stopped.")
        )

    def _usable(self) -> FoundBundle | None:
        """The bundle under the cursor; why not is told."""
        bundle = self.query_one(Table).row
        if not isinstance(bundle, FoundBundle):
            self.console.tell(Content("There is no bundle on a stick."), "warning")
            return None
        if bundle.problem:
            self.console.tell(foreign(bundle.problem), "error")
            return None
        return bundle


def _rolling(roll: RollView) -> Content:
    return Content.assemble("The pair is being updated to ", foreign(roll.release), ".")


def _begun(update: UpdateView) -> Content:
    return Content("It has begun.")


def _verdict(bundle: FoundBundle) -> Content:
    if bundle.problem:
        return Content.assemble(("✖ ", "$error"), foreign(bundle.problem))
    return Content.assemble(("● whole, and trusted", "$success"))


_COLUMNS: Sequence[Column[FoundBundle]] = (
    Column("Release", lambda one: foreign(one.release or "?"), 8),
    Column("File", lambda one: foreign(one.name), 28, share=1),
    Column("Stick", lambda one: foreign(one.folder.rpartition("/")[2]), 12, wide=True),
    Column("Size", lambda one: Content(bytes_text(one.size)), 8, right=True),
    Column("Verified", _verdict, 30, share=1),
)
