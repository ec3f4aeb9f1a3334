"""The machine under the node: its clock, names and addresses, sticks, and how it is restarted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
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
from tui.screens.machine_words import COLUMNS, change, facts
from tui.text import EMPTY, foreign, moment
from tui.widgets.line import Line, Text
from tui.widgets.table import Table

if TYPE_CHECKING:
    from appliance.control.client import Client

_CLOCK = "%Y-%m-%d %H:%M:%S"
_EVERY = 5.0


class Machine(Page):
    """Of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        What lies under the node. A change shows what was and what will be, and is done at once.
        Addresses are the machine's and the node's (node.toml): they are set at the first boot, and
        changed in both places by hand (docs/settings.md). Sticks are mounted with Enter, so that
        backups, reports and updates find them, and have to be let go with Enter before they are
        pulled out. r stops the node in order and starts it again; X and P do that to the machine.
    """
    NEEDS: ClassVar = {
        "stick": Role.OPERATOR,
        **dict.fromkeys(
            ("clock", "zone", "keyboard", "host_name", "restart", "reboot", "power_off"),
            Role.ADMINISTRATOR,
        ),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "stick", "Mount / let go"),
        Binding("c", "clock", "Clock"),
        Binding("z", "zone", "Time zone"),
        Binding("k", "keyboard", "Keyboard", show=False),
        Binding("h", "host_name", "Host name", show=False),
        Binding("r", "restart", "Restart node"),
        Binding("X", "reboot", "Restart machine", show=False),
        Binding("P", "power_off", "Switch off", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Text(name="facts")
        yield Line(Content.assemble(("Sticks", "bold")))
        yield Table[StickView](COLUMNS, lambda one: one.id, empty="No stick is plugged in.")

    def begin(self) -> None:
        self._view: MachineView | None = None
        self.follow(lambda client: client.machine(), self._show, every=_EVERY, fail=self._nobody)
        self.follow(lambda client: client.sticks(), self._show_sticks, fail=lambda trouble: None)
        self.table.focus()

    @property
    def table(self) -> Table[StickView]:
        """The sticks."""
        return self.query_one(Table)

    def node_changed(self) -> None:
        self._view = None
        self.query_one("#facts", Text).show(EMPTY)
        self.table.show(ListRows(()))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greyed where nobody manages the machine, or not that part of it."""
        if action in self.NEEDS and (view := getattr(self, "_view", None)) is None:
            return None
        if action in ("keyboard", "host_name") and not view.appliance:
            return None
        return super().check_action(action, parameters)

    def _show(self, view: MachineView) -> None:
        self._view = view
        self.query_one("#facts", Text).show(facts(view))
        self.refresh_bindings()

    def _nobody(self, trouble: Trouble) -> None:
        self._view = None
        self.query_one("#facts", Text).show(EMPTY if trouble.gone else problem(trouble))
        self.refresh_bindings()

    def _show_sticks(self, found: object) -> None:
        assert isinstance(found, tuple)
        self.table.show(ListRows(found), stay=True)

    def action_stick(self) -> None:
        if (row := self.table.row) is None:
            return
        if row.mounted:
            self.act(None, lambda client, _: client.unmount_stick(row.id), foreign)
        else:
            self.act(
                None,
                lambda client, _: client.mount_stick(row.id),
                lambda one: Content.assemble("It is at ", foreign(one.path, style="bold")),
            )

    def action_clock(self) -> None:
        if (view := self._view) is not None:
            question = Question(
                "Set the clock",
                Content(
                    "In UTC. The date of mail and of the log follows it; what waits in the queue, "
                    "and its retries, do not. Set both nodes alike."
                ),
                "Set it",
                field="Now (UTC):",
                value=moment(view.clock.now),
                check=_wrong_moment,
                danger=True,
            )
            self.act(question, lambda client, typed: client.set_clock(_moment(typed)), foreign)

    def action_zone(self) -> None:
        if (view := self._view) is not None:
            self._change(
                "Time zone", view.clock.time_zone, lambda client, typed: client.set_time_zone(typed)
            )

    def action_keyboard(self) -> None:
        if (view := self._view) is not None:
            self._change(
                "Keyboard", view.keyboard, lambda client, typed: client.set_keyboard(typed)
            )

    def action_host_name(self) -> None:
        if (view := self._view) is not None:
            self._change(
                "Host name", view.host_name, lambda client, typed: client.set_host_name(typed)
            )

    def action_restart(self) -> None:
        says = "The node stops in order and starts again. Its addresses go to the other node."
        self._ends("Restart the node", says, lambda client: client.restart_node())

    def action_reboot(self) -> None:
        says = "The machine restarts. The other node serves meanwhile, if it is there."
        self._ends("Restart the machine", says, lambda client: client.reboot())

    def action_power_off(self) -> None:
        says = "The machine is switched off. Somebody has to go there to switch it on again."
        self._ends("Switch the machine off", says, lambda client: client.power_off())

    def _change(self, what: str, before: str, call: Callable[[Client, str], str]) -> None:
        """Ask for another value, show both, and do it on a yes."""
        self.run_worker(self._changed(what, before, call), group="act")

    async def _changed(self, what: str, before: str, call: Callable[[Client, str], str]) -> None:
        asked = Question(what, Content("Another one:"), "Next", field=f"{what}:", value=before)
        typed = await self.ask(asked)
        if typed is None or (after := typed.strip()) == before:
            return
        sure = Question(what, change(before, after), "Change it")
        if await self.ask(sure) is not None:
            await self.do(lambda client: call(client, after), foreign)

    def _ends(self, title: str, says: str, call: Callable[[Client], str]) -> None:
        status = self.console.site.side(self.node.other).status
        name = status.name if status is not None else "this node"
        question = Question(title, Content(says), title, danger=True, word=name)
        self.act(question, lambda client, _: call(client), foreign)


def _moment(typed: str) -> int:
    then = datetime.strptime(typed.strip(), _CLOCK).replace(tzinfo=UTC)
    return round(then.timestamp() * 1000)


def _wrong_moment(typed: str) -> str:
    try:
        _moment(typed)
    except ValueError:
        return "write it like 2026-11-28 12:00:00"
    return ""
