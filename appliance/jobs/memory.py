"""What jobs did, in `jobs.db`: how they are due again after a restart, and for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database, Migrations

from appliance.jobs.plan import Past
from appliance.monitor.file import MonitorFile
from appliance.monitor.jobs import Outcome, RunView
from appliance.monitor.ring import Mark, Moment

KEPT = 500
"""Runs."""
_TEXT = 2000
_COLUMNS = "job, at, took, outcome, text, hint, by"
migrations = Migrations("jobs")


@migrations()
def first(db: Database) -> None:
    """Runs, where each job stands, and where the axis of places stands."""
    db.executescript(
        """
        CREATE TABLE run(
          id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, at INTEGER NOT NULL,
          took INTEGER NOT NULL, outcome TEXT NOT NULL, text TEXT NOT NULL, hint TEXT NOT NULL,
          by TEXT NOT NULL);
        CREATE INDEX run_job ON run(job, id);
        CREATE TABLE job(
          name TEXT PRIMARY KEY, place INTEGER NOT NULL, ran INTEGER NOT NULL,
          ok INTEGER NOT NULL, open INTEGER) WITHOUT ROWID;
        CREATE TABLE mark(
          one INTEGER PRIMARY KEY CHECK(one = 1), place INTEGER NOT NULL, boot TEXT NOT NULL,
          running INTEGER NOT NULL, wall INTEGER NOT NULL);
        """
    )


class Memory:
    """The file at `path`, for one thread at a time. Everything raises sqlite3.Error, OSError."""

    def __init__(self, path: Path, damaged: Callable[[str], None]) -> None:
        self._file = MonitorFile(path, migrations, damaged)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def mark(self) -> Mark | None:
        """Where the axis stood last."""

        def read(db: sqlite3.Connection) -> Mark | None:
            row = db.execute("SELECT place, boot, running, wall FROM mark").fetchone()
            return Mark(row[0], Moment(*row[1:])) if row else None

        return self._file.use(read)

    def save(self, mark: Mark) -> None:
        """Where the axis stands."""
        moment = mark.moment
        row = (mark.place, moment.boot, moment.running, moment.wall)
        sql = "INSERT OR REPLACE INTO mark(one, place, boot, running, wall) VALUES(1,?,?,?,?)"
        self._file.use(lambda db: db.execute(sql, row))

    def pasts(self) -> Mapping[str, Past]:
        """Where each job stands."""

        def read(db: sqlite3.Connection) -> Mapping[str, Past]:
            found = db.execute("SELECT name, place, ran, ok FROM job")
            return {name: Past(place, bool(ran), bool(ok)) for name, place, ran, ok in found}

        return self._file.use(read)

    def meet(self, name: str, place: int) -> None:
        """A job that was never heard of."""
        sql = "INSERT OR IGNORE INTO job(name, place, ran, ok) VALUES(?,?,0,1)"
        self._file.use(lambda db: db.execute(sql, (name, place)))

    def began(self, name: str, place: int, at: int) -> None:
        """A run has begun; if nothing more is heard of it, it was interrupted."""
        sql = "INSERT OR REPLACE INTO job(name, place, ran, ok, open) VALUES(?,?,1,0,?)"
        self._file.use(lambda db: db.execute(sql, (name, place, at)))

    def ended(self, run: RunView) -> None:
        """A run has ended."""

        def write(db: sqlite3.Connection) -> None:
            _insert(db, run)
            db.execute(
                "UPDATE job SET ok=?, open=NULL WHERE name=?", (run.outcome is Outcome.OK, run.job)
            )

        self._file.use(write)

    def close_open(self) -> Sequence[RunView]:
        """What was running when the process before this one ended."""

        def write(db: sqlite3.Connection) -> Sequence[RunView]:
            found = [
                RunView(
                    job=name,
                    at=at,
                    took=0,
                    outcome=Outcome.INTERRUPTED,
                    text="the control process ended while it ran",
                    hint="it runs again by itself",
                    by="",
                )
                for name, at in db.execute("SELECT name, open FROM job WHERE open IS NOT NULL")
            ]
            for run in found:
                _insert(db, run)
            db.execute("UPDATE job SET open=NULL")
            return found

        return self._file.use(write)

    def runs(self, job: str | None, limit: int) -> Sequence[RunView]:
        """The latest runs, of one job or of all, the newest first."""

        def read(db: sqlite3.Connection) -> Sequence[RunView]:
            found = db.execute(
                f"SELECT {_COLUMNS} FROM run WHERE ?1 IS NULL OR job=?1 ORDER BY id DESC LIMIT ?2",
                (job, limit),
            )
            return [_run(*row) for row in found]

        return self._file.use(read)

    def prune(self) -> int:
        """Forget all but the latest runs; how many."""
        sql = "DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - ?"
        return self._file.use(lambda db: db.execute(sql, (KEPT,)).rowcount)


def _insert(db: sqlite3.Connection, run: RunView) -> None:
    db.execute(
        f"INSERT INTO run({_COLUMNS}) VALUES(?,?,?,?,?,?,?)",
        (
            run.job,
            run.at,
            run.took,
            str(run.outcome),
            run.text[:_TEXT],
            run.hint[:_TEXT],
            run.by,
        ),
    )


def _run(job: str, at: int, took: int, outcome: str, text: str, hint: str, by: str) -> RunView:
    return RunView(job=job, at=at, took=took, outcome=Outcome(outcome), text=text, hint=hint, by=by)
