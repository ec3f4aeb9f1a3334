"""The machine under the node: its clock, names and addresses, sticks, and how it is restarted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.ipc.machine import MachineView, StickView
from tui.dialogs import Question
from tui.node import Trouble
from tui.page import Page, problem
from tui.rows import ListRows
from tui.screens import machine_words as words
from tui.screens.machine_network import change
from tui.text import EMPTY, foreign
from tui.widgets.line import Line, Text
from tui.widgets.table import Table

if TYPE_CHECKING:
    from appliance.control.client import Client

_EVERY = 5.0
_OURS = ("keyboard", "host_name", "addresses")


class Machine(Page):
    """Of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        What lies under the node. Enter mounts a stick, so that backups, reports and updates find
        it; Enter again lets it go: pull it out only then. A change shows what was and what will
        be. Keyboard, host name and addresses can be changed where all of the machine is Twinpost's.
        Addresses (a) are on trial for two minutes: a once more keeps them, and if nobody does, all
        is as it was. r stops the node in order and starts it again; X and P restart the machine and
        switch it off.
    """
    NEEDS: ClassVar = {
        "stick": Role.OPERATOR,
        **dict.fromkeys(
            ("clock", "zone", *_OURS, "restart", "reboot", "power_off"), Role.ADMINISTRATOR
        ),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "stick", "Mount / let go"),
        Binding("c", "clock", "Clock"),
        Binding("z", "zone", "Time zone"),
        Binding("a", "addresses", "Addresses", show=False),
        Binding("k", "keyboard", "Keyboard", show=False),
        Binding("h", "host_name", "Host name", show=False),
        Binding("r", "restart", "Restart node"),
        Binding("X", "reboot", "Restart machine", show=False),
        Binding("P", "power_off", "Switch off", show=False),
    ]
    _view: MachineView | None = None

    def body(self) -> ComposeResult:
        yield Text(name="facts")
        yield Line(Content.assemble(("Sticks", "bold")))
        yield Table[StickView](words.COLUMNS, lambda one: one.id, empty="No stick is plugged in.")

    def begin(self) -> None:
        self.query_one(Table).focus()
        self.follow(lambda client: client.machine(), self._show, every=_EVERY, fail=self._nobody)
        self.follow(
            lambda client: client.sticks(),
            self._show_sticks,
            every=_EVERY,
            fail=lambda trouble: self._show_sticks(()),  # why is told by the other one
        )

    def node_changed(self) -> None:
        self._know(None, EMPTY)
        self._show_sticks(())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greyed where nobody manages the machine, or not that part of it."""
        if action in self.NEEDS:
            if self._view is None or (action in _OURS and not self._view.appliance):
                return None
        return super().check_action(action, parameters)

    def _show(self, view: MachineView) -> None:
        self._know(view, words.facts(view))

    def _nobody(self, trouble: Trouble) -> None:
        self._know(None, EMPTY if trouble.gone else problem(trouble))

    def _know(self, view: MachineView | None, said: Content) -> None:
        self._view = view
        self.query_one("#facts", Text).show(said)
        self.refresh_bindings()

    def _show_sticks(self, found: Sequence[StickView]) -> None:
        self.query_one(Table).show(ListRows(found), stay=True)

    def action_stick(self) -> None:
        """Mount the one under the cursor, or let it go."""
        row = self.query_one(Table).row
        if not isinstance(row, StickView):
            self.console.tell(Content("There is no stick."), "warning")
        elif row.folder:
            self.act(None, lambda client, _: client.unmount_stick(row.id), foreign)
        else:
            self.act(None, lambda client, _: client.mount_stick(row.id), _mounted)

    def action_clock(self) -> None:
        """Set it."""
        if (view := self._view) is not None:
            self.act(
                words.clock(view),
                lambda client, typed: client.set_clock(words.typed_moment(typed)),
                foreign,
            )

    def action_zone(self) -> None:
        """Set the time zone."""
        if (view := self._view) is not None:
            zone = view.clock.time_zone
            self._change("Time zone", zone, lambda client, name: client.set_time_zone(name))

    def action_keyboard(self) -> None:
        """Set the console's keyboard."""
        if (view := self._view) is not None:
            self._change("Keyboard", view.keyboard, lambda client, name: client.set_keyboard(name))

    def action_host_name(self) -> None:
        """Name the machine."""
        if (view := self._view) is not None:
            name = view.host_name
            self._change("Host name", name, lambda client, name: client.set_host_name(name))

    def action_addresses(self) -> None:
        """Change them on trial, or keep what is on trial."""
        if (view := self._view) is not None:
            self.run_worker(change(self, view), group="act")

    def action_restart(self) -> None:
        """Of the node."""
        self._end(words.restart, lambda client, _: client.restart_node())

    def action_reboot(self) -> None:
        """Of the machine."""
        self._end(words.reboot, lambda client, _: client.reboot())

    def action_power_off(self) -> None:
        """Of the machine."""
        self._end(words.power_off, lambda client, _: client.power_off())

    def _change(self, what: str, before: str, call: Callable[[Client, str], str]) -> None:
        """Ask for another value, show both, and do it on a yes."""
        self.run_worker(self._changed(what, before, call), group="act")

    async def _changed(self, what: str, before: str, call: Callable[[Client, str], str]) -> None:
        typed = await self.ask(words.another(what, before))
        after = (typed or "").strip()
        if after in ("", before):
            return
        if await self.ask(words.change(what, before, after)) is not None:
            await self.do(lambda client: call(client, after), foreign)

    def _end(self, question: Callable[..., Question], call: Callable[[Client, str], str]) -> None:
        status = self.console.site.side(self.node.other).status
        if status is not None:
            alone = status.mode != "paired"
            self.act(question(status.name, alone=alone), call, foreign)


def _mounted(stick: StickView) -> Content:
    return Content.assemble("It is at ", foreign(stick.folder, style="bold"))
