"""Pair: who has the addresses and why, moving them on purpose, pairing, replacing the dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema import Status, Transition
from appliance.control.schema_pair import InvitationView, PairView
from appliance.mail.figures import span_text
from tui.dialogs import Question
from tui.page import Page
from tui.rows import ListRows
from tui.screens.pair_questions import (
    INVITE,
    TAKE_OVER,
    insist,
    join_address,
    join_code,
    maintenance,
    replace,
    switchover,
)
from tui.screens.pair_words import facts_text, pairing_text
from tui.site import Site
from tui.text import EMPTY, LINE, foreign
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

_HISTORY = 200


class Pair(Page):
    """How the two nodes stand to one another."""

    ABOUT: ClassVar[str] = """
        Who of the two nodes holds the virtual addresses, and why it came to that. Switch over
        moves them on purpose: deliveries end first, and no mail waits. Maintenance keeps them
        away from a node that is to be worked on, also over its restarts. To pair two nodes, show
        a code on one and type it on the other. If a node is dead for good, replace it; if it may
        only be away, take over its backlog: what it had delivered may then come twice, and is
        counted. All of this is about the node that is looked at: F3 looks at the other one.
    """
    NEEDS: ClassVar = {
        "switch_over": Role.OPERATOR,
        "maintain": Role.OPERATOR,
        "take_over": Role.OPERATOR,
        "invite": Role.ADMINISTRATOR,
        "join": Role.ADMINISTRATOR,
        "replace": Role.ADMINISTRATOR,
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "switch_over", "Switch over"),
        Binding("m", "maintain", "Maintenance"),
        Binding("t", "take_over", "Take over"),
        Binding("i", "invite", "Show a code"),
        Binding("j", "join", "Join with a code", show=False),
        Binding("c", "cancel", "Cancel the code", show=False),
        Binding("p", "replace", "Replace the dead node", show=False),
    ]

    def body(self) -> ComposeResult:
        with VerticalScroll(id="standing", can_focus=False):
            yield Text(name="facts")
            yield Text(name="pairing")
        yield Line(Content.assemble(("Transitions of both nodes, the latest first", "bold")))
        yield Table[Transition](
            _COLUMNS,
            lambda one: (one.at, one.node, one.vrid),
            empty="No transition since the log began.",
        )

    def begin(self) -> None:
        self._view: PairView | None = None
        self._invitation: InvitationView | None = None
        self.follow(lambda client: client.pair(), self._show_pair)
        self.follow(lambda client: client.history(_HISTORY), self._show_history)
        self.query_one(Table).focus()

    def node_changed(self) -> None:
        self._view = self._invitation = None

    def site_changed(self, site: Site) -> None:
        self._show()

    def _show_pair(self, view: PairView) -> None:
        self._view = view
        if view.attempt is None or view.attempt.state != "waiting":
            self._invitation = None
        self._show()

    def _show_history(self, found: Sequence[Transition]) -> None:
        self.query_one(Table).show(ListRows(found), stay=True)

    def _show(self) -> None:
        status = self._status
        facts = facts_text(status, self._view) if status else EMPTY
        self.query_one("#facts", Text).show(facts)
        attempt = self._view.attempt if self._view else None
        self.query_one("#pairing", Text).show(pairing_text(attempt, self._invitation))

    @property
    def _status(self) -> Status | None:
        return self.console.site.side(self.node.other).status

    @property
    def _other(self) -> str:
        return self.console.site.name(not self.node.other)

    def action_switch_over(self) -> None:
        """Leave the addresses to the other node, or bring them here."""
        if (status := self._status) is not None:
            here = not any(one.here for one in status.virtual)
            asked = switchover(status, self._other, here=here)
            self.run_worker(self._move(asked, here))

    async def _move(self, asked: Question, here: bool) -> None:
        if await self.ask(asked) is None:
            return
        refused = await self.do(lambda client: client.switch_over(None, False, here=here), _said)
        if refused is not None and refused.code == "refused" and await self._insists():
            await self.do(lambda client: client.switch_over(None, True, here=here), _said)

    def action_maintain(self) -> None:
        if (status := self._status) is not None and status.failover is not None:
            on = not status.failover.maintenance
            self.run_worker(self._maintain(maintenance(status, self._other, on=on), on))

    async def _maintain(self, asked: Question, on: bool) -> None:
        if await self.ask(asked) is None:
            return
        refused = await self.do(lambda client: client.maintain(on, False), _said)
        if refused is not None and refused.code == "refused" and await self._insists():
            await self.do(lambda client: client.maintain(on, True), _said)

    async def _insists(self) -> bool:
        name = self._status.name if self._status else ""
        return await self.ask(insist(name)) is not None

    def action_take_over(self) -> None:
        self.act(TAKE_OVER, lambda client, _: client.take_over(), _said)

    def action_invite(self) -> None:
        self.run_worker(self._invite(INVITE, replacing=False))

    def action_replace(self) -> None:
        if (status := self._status) is not None:
            self.run_worker(self._invite(replace(status.name, self._other), replacing=True))

    async def _invite(self, asked: Question, replacing: bool) -> None:
        if await self.ask(asked) is None:
            return

        def invited(invitation: InvitationView) -> Content:
            self._invitation = invitation
            self._show()
            return Content("This node waits for the other one. The code is on the screen.")

        await self.do(lambda client: client.invite(replacing), invited)

    def action_join(self) -> None:
        self.run_worker(self._join())

    async def _join(self) -> None:
        at = await self.ask(join_address())
        if at is None:
            return
        code = await self.ask(join_code(at))
        if code is not None:
            await self.do(lambda client: client.join_pair(code.strip(), at.strip()), _said)

    def action_cancel(self) -> None:
        self.act(None, lambda client, _: client.cancel_invitation(), _said)


def _said(text: str) -> Content:
    return foreign(text, LINE)


_COLUMNS: Sequence[Column[Transition]] = (
    Column("When (UTC)", lambda one: foreign(one.at[:19].replace("T", " "), 19), 19),
    Column("Node", lambda one: foreign(one.node, 12), 6),
    Column("Router", lambda one: Content(str(one.vrid)), 6, right=True, wide=True),
    Column("From", lambda one: foreign(one.before, 12), 10),
    Column("To", lambda one: foreign(one.after, 12, "bold"), 10),
    Column("Lasted", lambda one: Content(span_text(one.lasted)), 10, right=True),
    Column("Why", lambda one: _why(one), 10, share=1),
)


def _why(one: Transition) -> Content:
    why = Content.assemble(": ", foreign(one.why, 200)) if one.why else EMPTY
    return Content.assemble(foreign(one.reason, 60), why)
