"""The first screen of a machine that runs from the stick: install Twinpost to one of its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.messages import Prune
from textual.screen import Screen

from appliance.ipc.installer import DiskView, Installation, StartInstallation
from tui.dialogs import Dialog, Question
from tui.follow import Follower
from tui.node import Node, Trouble
from tui.page import problem
from tui.rows import ListRows
from tui.screens.installer_words import (
    CHOOSE,
    COLUMNS,
    TITLE,
    detail,
    erasing,
    keeping,
    progress,
    switching_off,
)
from tui.text import EMPTY
from tui.widgets.bars import KeyBar
from tui.widgets.line import Line, Text
from tui.widgets.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.control.client import Client

_PATIENCE = 60.0
_DISKS_EVERY, _PROGRESS_EVERY = 3.0, 1.0


class Installer(Screen[None]):
    """The disks to choose from, or how far the installation is; whoever began it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "install", "Install"),
        Binding("enter", "restart", "Restart"),
        Binding("k", "keep", "Install, keep its mail"),
        Binding("r", "again", "Choose a disk again"),
        Binding("p", "power_off", "Switch off"),
    ]

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node
        self._state = Installation(state="none")
        self._looked_past: Installation | None = None
        """A failure that somebody has read."""
        self._followers: Sequence[Follower[object]] = (
            self._follow(lambda client: client.disks(), self._show_disks, _DISKS_EVERY),
            self._follow(lambda client: client.installation(), self._show_state, _PROGRESS_EVERY),
        )

    def compose(self) -> ComposeResult:
        yield Line(TITLE, name="title")
        with Vertical(id="body"):
            yield Text(CHOOSE, name="choose")
            yield Table[DiskView](COLUMNS, lambda one: one.name, empty="No disk is seen.")
            yield Text(name="disk")
            yield Text(name="installation")
        yield Line(name="trouble")
        yield KeyBar(name="keys")

    def on_mount(self) -> None:
        self.table.focus()
        self._arrange()

    def on_screen_resume(self) -> None:
        for one in self._followers:
            one.start()

    async def on_prune(self, event: Prune) -> None:
        """Before its parts go: an answer that comes between would find nowhere to be shown."""
        self.workers.cancel_node(self)

    @property
    def settled(self) -> bool:
        """What is seen is no longer only about to come."""
        return all(one.told for one in self._followers)

    @property
    def table(self) -> Table[DiskView]:
        """The disks."""
        return self.query_one(Table)

    @property
    def _choosing(self) -> bool:
        return self._state.state == "none" or self._state == self._looked_past

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what means something now."""
        row = self.table.row if self.query(Table) else None
        fits = row is not None and not row.problem and self._choosing
        match action:
            case "install":
                return (True if fits else None) if self._choosing else False
            case "restart":
                return self._state.state == "done"
            case "keep":
                return fits and row is not None and row.kept
            case "again":
                return self._state.state == "failed" and not self._choosing
            case "power_off":
                return self._state.state != "running"
        return True

    def on_table_moved(self, message: Table.Moved) -> None:
        self._arrange()

    def action_install(self) -> None:
        if (disk := self.table.row) is not None:
            self._install(disk, keep=False)

    def action_keep(self) -> None:
        if (disk := self.table.row) is not None:
            self._install(disk, keep=True)

    def action_again(self) -> None:
        self._looked_past = self._state
        for one in self._followers:
            one.hurry()
        self._arrange()

    def action_restart(self) -> None:
        self._begin(None, lambda client, typed: client.reboot())

    def action_power_off(self) -> None:
        self._begin(switching_off(), lambda client, typed: client.power_off())

    def _install(self, disk: DiskView, *, keep: bool) -> None:
        def begin(client: Client, typed: str) -> Installation:
            return client.install(
                StartInstallation(disk=disk.name, size=disk.size, confirm=typed, keep=keep)
            )

        self._begin(keeping(disk) if keep else erasing(disk), begin)

    def _begin(self, question: Question | None, call: Callable[[Client, str], object]) -> None:
        self.run_worker(self._asked(question, call), group="act", exclusive=True)

    async def _asked(
        self, question: Question | None, call: Callable[[Client, str], object]
    ) -> None:
        typed = ""
        if question is not None:
            answer = await self.app.push_screen_wait(Dialog(question))
            if answer is None:
                return
            typed = answer.strip()
        try:
            await self._node.ask(lambda client: call(client, typed), _PATIENCE)
        except Trouble as trouble:
            self.app.notify(problem(trouble).plain, severity="error", markup=False)
        for one in self._followers:
            one.hurry()

    def _follow(
        self, read: Callable[[Client], object], show: Callable[[object], None], every: float
    ) -> Follower[object]:
        async def ask() -> object:
            return await self._node.ask(read, idle=True)

        def shown(value: object) -> None:
            self._trouble(None)
            show(value)

        return Follower(self, ask, shown, self._trouble, every)

    def _show_disks(self, disks: object) -> None:
        assert isinstance(disks, list | tuple)
        self.table.show(ListRows(disks), stay=True)
        self._arrange()

    def _show_state(self, state: object) -> None:
        assert isinstance(state, Installation)
        self._state = state
        self._arrange()

    def _trouble(self, trouble: Trouble | None) -> None:
        line = self.query_one("#trouble", Line)
        line.display = trouble is not None
        line.show(problem(trouble) if trouble is not None else EMPTY)

    def _arrange(self) -> None:
        choosing, row = self._choosing, self.table.row
        for name in ("#choose", "#disk"):
            self.query_one(name).display = choosing
        self.table.display = choosing
        self.query_one("#disk", Text).show(detail(row) if row is not None else EMPTY)
        told = self.query_one("#installation", Text)
        told.display = not choosing
        told.show(progress(self._state))
        self.refresh_bindings()
