"""Jobs: what the node does by itself, how it went, and when it does it next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.mail.figures import span_text, time_text
from appliance.monitor.jobs import JobView, Outcome, RunView
from tui.dialogs import Question
from tui.page import Page
from tui.rows import ListRows
from tui.text import EMPTY, LINE, foreign, lines, moment
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client

_RUNS = 100


class Jobs(Page):
    """The jobs of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        What the node does by itself: backups, reports, self-tests, keeping its files in order.
        The last runs of the job under the cursor stand below. r runs a job now, which takes nothing
        from its timetable. A job that was missed because the node was off is caught up once.
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "run", "Run now")]

    def body(self) -> ComposeResult:
        yield Table[JobView](_COLUMNS, lambda job: job.name, empty="No jobs.")
        yield Text(name="job")
        yield Line(Content.assemble(("Its last runs", "$quiet")))
        yield Table[RunView](
            _RUN_COLUMNS, lambda run: (run.job, run.at), empty="It has not run yet."
        )

    def begin(self) -> None:
        self._job = ""
        self.table.focus()
        self.follow(lambda client: client.jobs(), self._show)
        self._runs = self.follow(self._read_runs, self._show_runs)

    @property
    def table(self) -> Table[JobView]:
        """The jobs."""
        return self.query(Table).first()

    def _show(self, jobs: Sequence[JobView]) -> None:
        self.table.show(ListRows(jobs), stay=True)
        self._tell(self.table.row)

    def _read_runs(self, client: Client) -> tuple[str, Sequence[RunView]]:
        job = self._job
        return job, client.job_history(job, _RUNS) if job else ()

    def _show_runs(self, found: tuple[str, Sequence[RunView]]) -> None:
        job, runs = found
        if job == self._job:
            self.query(Table).last().show(ListRows(runs), stay=True)

    def on_table_moved(self, message: Table.Moved) -> None:
        if not isinstance(message.row, JobView):
            return
        self._tell(message.row)
        if message.row.name != self._job:
            self._job = message.row.name
            self._runs.hurry()

    def _tell(self, job: JobView | None) -> None:
        self.query_one("#job", Text).show(_detail(job) if job else EMPTY)

    def action_run(self) -> None:
        job = self.table.row
        if job is None:
            return
        question = Question(
            "Run now", Content.assemble("Will be done now: ", foreign(job.what, LINE)), "Run it"
        )
        self.act(
            question,
            lambda client, _: client.run_job(job.name),
            lambda done: Content(
                "It waits for another job to end." if done.waiting else "It has begun."
            ),
        )


def _detail(job: JobView) -> Content:
    told = [EMPTY, foreign(job.what, LINE)]
    if job.off:
        told.append(
            Content.assemble(("■ it does not run by itself: ", "$accent"), foreign(job.off))
        )
    last = job.last
    if last is not None and last.outcome is not Outcome.OK:
        said = foreign(last.text, LINE)
        told.append(Content.assemble((f"✖ {last.outcome}: ", "$error"), said))
        if last.hint:
            told.append(Content.assemble(("  → ", "$quiet"), foreign(last.hint, LINE)))
    return lines(told)


def _outcome(run: RunView | None) -> Content:
    if run is None:
        return Content("–")
    if run.outcome is Outcome.OK:
        return Content.assemble(("● ok", "$success"))
    return Content.assemble((f"✖ {run.outcome}", "$error"))


def _next(job: JobView) -> Content:
    if job.running:
        return Content.assemble(("→ running", "$success"))
    if job.waiting:
        return Content("waits")
    if job.next_in is None:
        return Content("–")
    return Content(f"in {time_text(job.next_in)}" if job.next_in > 0 else "now")


def _last_at(job: JobView) -> Content:
    return Content(moment(job.last.at)) if job.last else Content("never")


_COLUMNS: Sequence[Column[JobView]] = (
    Column("Job", lambda job: foreign(job.name), 16, share=1),
    Column("Every", lambda job: Content(time_text(job.every)), 8, right=True),
    Column("Next", _next, 15),
    Column("Last", _last_at, 19, wide=True),
    Column("Outcome", lambda job: _outcome(job.last), 13),
    Column(
        "Took",
        lambda job: Content(span_text(job.last.took) if job.last else "–"),
        9,
        right=True,
    ),
)
_RUN_COLUMNS: Sequence[Column[RunView]] = (
    Column("When (UTC)", lambda run: Content(moment(run.at)), 19),
    Column("Outcome", _outcome, 13),
    Column("Took", lambda run: Content(span_text(run.took)), 9, right=True),
    Column("By", lambda run: foreign(run.by) if run.by else Content("itself"), 8),
    Column("What it said", lambda run: foreign(run.text, LINE), 10, share=1),
)
