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
from tui.sticks import Files, to_stick
from tui.text import LINE, foreign, moment
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client


class ReportList(Listing[ReportView]):
    """The reports that the node has kept, the newest first."""

    ABOUT: ClassVar[str] = """
        A report says how the pair is, what happened, and what will run out when: a page that any
        browser shows and prints, and the same as JSON, both signed. The node makes one a week. e
        writes the one under the cursor to a folder, or to a stick in the node if this is the node's
        own screen; n makes one of now; r makes one in which names and addresses are replaced by
        pseudonyms, for people outside. What was written is read back before it counts. k writes the
        key that verifies this node's reports: bring it home once, by another way than the reports.
    """
    EMPTY_TEXT: ClassVar[str] = "None is kept yet: the first comes within a week. Press n."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "make(False)", "New report"),
        Binding("r", "make(True)", "New, redacted"),
        Binding("e", "export", "Export"),
        Binding("k", "key", "The key"),
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

    def action_key(self) -> None:
        says = "The public key that verifies this node's reports will be written."
        status = self.console.site.side(self.node.other).status
        name = f"twinpost-{status.name if status is not None else 'node'}.pub"

        def get(client: Client) -> Files:
            return [(name, client.report_key().encode())]

        if self.console.kiosk:
            to_stick(self, "Export the key", says, get)
        else:
            self._ask("Export the key", says, get)

    def _write(self, says: str, get: Callable[[Client], ReportFiles]) -> None:
        if self.console.kiosk:
            to_stick(self, "Export a report", says, lambda client: files(get(client)))
            return
        said = f"{says} Two files, as large as a photograph at most."
        self._ask("Export a report", said, lambda client: files(get(client)))

    def _ask(self, title: str, says: str, get: Callable[[Client], Files]) -> None:
        question = Question(
            title,
            Content(f"{says} It is read back."),
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


def files(report: ReportFiles) -> Files:
    """The two files of a report."""
    name = Path(report.name).name
    return [(f"{name}.html", report.page.encode()), (f"{name}.json", report.json.encode())]


def written(wanted: Files, folder: Path) -> list[Path]:
    """Files in a folder, read back; raises Trouble."""
    paths = []
    for name, content in wanted:
        path = folder / name
        try:
            with path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                # What stays in memory says nothing of a stick.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            same = path.read_bytes() == content
        except OSError as error:
            hint = "name another folder, or a stick with room"
            raise Trouble(f"{path}: {error.strerror}", hint, "failed") from error
        if not same:
            raise Trouble(
                f"{path} reads back otherwise than it was written", "take another stick", "failed"
            )
        paths.append(path)
    return paths
