"""Backups: what there is in a folder or on a stick, making one, checking one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema_backups import BackupFileView, BackupRun, Backups
from appliance.mail.figures import bytes_text, counted, span_text
from tui.dialogs import Question
from tui.node import Trouble
from tui.page import Page, problem
from tui.rows import ListRows
from tui.screens.recovery_key import make
from tui.sticks import folder_on_stick
from tui.text import EMPTY, LINE, foreign, join, lines, moment
from tui.widgets.line import Line, Text
from tui.widgets.spark import gauge
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client


class BackupFiles(Page):
    """The backups in a folder of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        Backups of this node, the newest first: each holds all mail, settings and users, encrypted.
        n makes one now, while mail goes on; it is read back before it counts. v reads one from its
        first byte to the last. f looks into another folder; on the node's own screen it offers
        that of a stick, which is let go on the screen Machine. Only a recovery key, which is on
        paper, can open them: k makes one, shows it once, and has you type part of it from the
        paper. A site comes back from a backup at a machine's first boot, or by `twinpost restore`.
    """
    NEEDS: ClassVar = {"key": Role.ADMINISTRATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "make", "New backup"),
        Binding("v", "verify", "Verify"),
        Binding("f", "folder", "Folder"),
        Binding("k", "key", "Recovery key"),
    ]

    def body(self) -> ComposeResult:
        yield Line(name="folder")
        yield Line(name="progress")
        yield Table[BackupFileView](_COLUMNS, lambda one: one.name, empty="No backups here.")
        yield Text(name="keys-of-backups")

    def begin(self) -> None:
        self._folder = ""
        self._target = ""
        self.table.focus()
        self.follow(self._read, self._show, every=1.0)

    @property
    def table(self) -> Table[BackupFileView]:
        """The files."""
        return self.query_one(Table)

    def _read(self, client: Client) -> tuple[str, Backups]:
        folder = self._folder
        return folder, client.backups(folder)

    def _show(self, found: tuple[str, Backups]) -> None:
        folder, seen = found
        if folder != self._folder:
            return
        self._target = folder or seen.target
        self.query_one("#folder", Line).show(_place(self._target, seen))
        self.query_one("#progress", Line).show(_progress(seen.running, seen.last))
        self.table.show(ListRows(seen.files or ()), stay=True)

    def on_table_moved(self, message: Table.Moved) -> None:
        self.query_one("#keys-of-backups", Text).show(
            _detail(message.row) if message.row else EMPTY
        )

    def node_changed(self) -> None:
        self._folder = ""

    def action_make(self) -> None:
        self.run_worker(self._make(), group="act")

    async def _make(self) -> None:
        folder = self._target or await self._on_stick()
        question = Question(
            "New backup",
            Content(
                "A file with all mail, settings and users of this node will be made and read back. "
                "Mail goes on meanwhile. The oldest ones beyond what node.toml says are removed."
            ),
            "Make it",
            field="In the folder, on the node:",
            value=folder,
            check=_folder,
        )
        self.act(question, lambda client, to: client.make_backup(to.strip()), _begun)

    def action_verify(self) -> None:
        row = self.table.row
        if row is not None:
            path = f"{self._target.rstrip('/')}/{row.name}"
            self.act(None, lambda client, _: client.verify_backup(path), _begun)

    def action_key(self) -> None:
        self.run_worker(make(self), group="act")

    def action_folder(self) -> None:
        self.run_worker(self._look(), group="act")

    async def _look(self) -> None:
        folder = await self._on_stick() or self._target
        question = Question(
            "Another folder",
            Content("Shows the backups in a folder of the node, for example that of a stick."),
            "Show it",
            field="Folder:",
            value=folder,
            check=_folder,
        )

        def call(client: Client, folder: str) -> Backups:
            return client.backups(folder.strip())

        def done(seen: Backups) -> Content:
            self._folder = seen.target
            return Content.assemble("Looking into ", foreign(seen.target, LINE))

        self.act(question, call, done)

    async def _on_stick(self) -> str:
        """Whoever sits at the node itself can't know where its sticks are."""
        if not self.console.kiosk:
            return ""
        try:
            return await folder_on_stick(self)
        except Trouble as trouble:  # another folder will do
            self.console.tell(problem(trouble), "warning")
            return ""


def _folder(typed: str) -> str:
    return "" if typed.strip().startswith("/") else "write the whole path: /media/stick/backups"


def _begun(_: BackupRun) -> Content:
    return Content("It has begun; its progress stands above the list.")


def _place(target: str, seen: Backups) -> Content:
    if not target:
        return Content.assemble(
            ("■ node.toml names no folder for backups", "$accent"),
            ("  → set [backup] target, or plug a stick in and press n", "$quiet"),
        )
    if seen.files is None:
        return Content.assemble(("✖ ", "$error"), foreign(seen.problem, LINE))
    return Content.assemble(
        foreign(target, LINE, "bold"), (f", {counted(len(seen.files), 'backup')}", "$quiet")
    )


def _progress(running: BackupRun | None, last: BackupRun | None) -> Content:
    if running is not None:
        share = running.done / running.total if running.total else 0.0
        bar = gauge(share, 20, ascii_only=False)
        of = f" of {running.total:,}" if running.total else ""
        return Content.assemble(
            ("→ ", "$success"),
            foreign(running.what),
            "  ",
            (bar, "$primary"),
            f"  {running.done:,}{of} ",
            foreign(running.stage),
        )
    if last is None:
        return EMPTY
    if not last.ok:
        hint = (
            Content.assemble(("  → ", "$quiet"), foreign(last.hint, LINE)) if last.hint else EMPTY
        )
        return Content.assemble(("✖ ", "$error"), foreign(last.error, LINE), hint)
    damaged = f", {counted(last.damaged, 'place')} could not be read" if last.damaged else ""
    return Content.assemble(
        ("● ", "$success"),
        foreign(last.what),
        " done: ",
        foreign(last.name or last.path, LINE),
        f", whole{damaged}, took {span_text(last.took)}",
    )


def _detail(one: BackupFileView) -> Content:
    if one.problem:
        return lines([EMPTY, Content.assemble(("✖ ", "$error"), foreign(one.problem, LINE))])
    keys = join([foreign(key) for key in one.recovery_keys], ", ")
    return lines([EMPTY, Content.assemble("opened by the recovery keys ", keys)])


_COLUMNS: Sequence[Column[BackupFileView]] = (
    Column("Made (UTC)", lambda one: Content("–" if one.problem else moment(one.at)), 19),
    Column("File", lambda one: foreign(one.name, LINE), 20, share=1),
    Column("Size", lambda one: Content(bytes_text(one.size)), 10, right=True),
    Column("Node", lambda one: foreign(one.node, 12), 8, wide=True),
    Column("Release", lambda one: foreign(one.release, 12), 9, wide=True),
    Column(
        "",
        lambda one: Content.assemble(("✖ no backup", "$error")) if one.problem else EMPTY,
        12,
    ),
)
