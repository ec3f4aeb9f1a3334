"""Reports: how the pair is, as a signed file for others, written to a folder or a stick."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.schema_reports import ReportFiles, ReportView
from appliance.mail.figures import bytes_text, counted
from tui.dialogs import Question
from tui.listing import Listing
from tui.node import Trouble
from tui.text import LINE, foreign, moment
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client


class ReportList(Listing[ReportView]):
    """The reports that the node has kept, the newest first."""

    ABOUT: ClassVar[str] = """
        A report says how the pair is, what happened, and what will run out when: a page that any
        browser shows and prints, and the same as JSON, both signed. The node makes one a week. e
        writes the one under the cursor to a folder, for example of a stick; n makes one of now; r
        makes one in which names and addresses are replaced by pseudonyms, for people outside. What
        was written is read back before it counts.
    """
    EMPTY_TEXT: ClassVar[str] = "None is kept yet: the first comes within a week. Press n."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "make(False)", "New report"),
        Binding("r", "make(True)", "New, redacted"),
        Binding("e", "export", "Export"),
    ]

    def columns(self) -> Sequence[Column[ReportView]]:
        return (
            Column("Made (UTC)", lambda one: Content(moment(one.at)), 19),
            Column("Report", lambda one: foreign(one.name, LINE), 20, share=1),
            Column("Size", lambda one: Content(bytes_text(one.size)), 10, right=True),
        )

    def key(self, row: ReportView) -> Hashable:
        return row.name

    def read(self, client: Client) -> Sequence[ReportView]:
        return client.reports()

    def counted(self, rows: Sequence[ReportView]) -> str:
        return counted(len(rows), "report")

    def action_make(self, redact: bool) -> None:
        what = "with pseudonyms instead of names and addresses" if redact else "of now"
        says = f"A report {what} will be made and written."
        self._write(says, lambda client: client.make_report(redact))

    def action_export(self) -> None:
        if (row := self.row) is not None:
            self._write("The report will be written.", lambda client: client.report(row.name))

    def _write(self, says: str, get: Callable[[Client], ReportFiles]) -> None:
        if self.console.kiosk:
            said = Content(
                "There are no files on this screen: `twinpost report export` writes them."
            )
            self.console.tell(said, "warning")
            return
        question = Question(
            "Export a report",
            Content(f"{says} Two files, as large as a photograph at most; both are read back."),
            "Write it",
            field="Folder, here:",
            value=str(Path.home()),
            check=lambda typed: "" if Path(typed).is_dir() else "there is no such folder",
        )

        def call(client: Client, folder: str) -> list[Path]:
            return written(get(client), Path(folder))

        def done(paths: list[Path]) -> Content:
            return Content.assemble("Written and read back: ", foreign(str(paths[0]), LINE))

        self.act(question, call, done)


def written(report: ReportFiles, folder: Path) -> list[Path]:
    """The two files of a report, read back; raises Trouble."""
    paths = []
    for suffix, text in ((".html", report.page), (".json", report.json)):
        path = folder / (Path(report.name).name + suffix)
        try:
            with path.open("xb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
                # What stays in memory says nothing of a stick.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            same = path.read_bytes() == text.encode()
        except OSError as error:
            hint = "name another folder, or a stick with room"
            raise Trouble(f"{path}: {error.strerror}", hint, "failed") from error
        if not same:
            raise Trouble(
                f"{path} reads back otherwise than it was written", "take another stick", "failed"
            )
        paths.append(path)
    return paths
