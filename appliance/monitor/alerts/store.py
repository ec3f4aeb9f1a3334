"""Alerts on disk: those that stand, and the last ones that have ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from sqlite_utils import Database, Migrations

from appliance.monitor.alerts.engine import Alert
from appliance.monitor.file import MonitorFile
from appliance.monitor.ring import Mark, Moment

_MOST_ENDED = 10_000

migrations = Migrations("alerts")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Alert).decode


@migrations()
def first(db: Database) -> None:
    """Alerts as they are written down; one row says when that was."""
    db.executescript(
        """
        CREATE TABLE standing(
          name TEXT NOT NULL, subject TEXT NOT NULL, alert BLOB NOT NULL,
          PRIMARY KEY(name, subject));
        CREATE TABLE ended(number INTEGER PRIMARY KEY, wall INTEGER NOT NULL, alert BLOB NOT NULL);
        CREATE TABLE mark(
          one INTEGER PRIMARY KEY CHECK(one = 1), place INTEGER NOT NULL, boot TEXT NOT NULL,
          running INTEGER NOT NULL, wall INTEGER NOT NULL);
        """
    )


class Ended(msgspec.Struct, frozen=True):
    """An alert that was cleared; `wall` is the wall clock's word for when."""

    wall: int
    alert: Alert


class AlertsFile:
    """The file at `path`, for one thread at a time. Everything raises sqlite3.Error."""

    def __init__(self, path: Path, damaged: Callable[[str], None]) -> None:
        self._file = MonitorFile(path, migrations, damaged)

    def read(self) -> tuple[Mark | None, Sequence[Alert]]:
        """What stood when it was written last, and when that was."""
        return self._file.use(_read)

    def write(self, mark: Mark, standing: Sequence[Alert], ended: Sequence[Ended]) -> None:
        """This stands, and that has ended."""
        self._file.use(lambda db: _write(db, mark, standing, ended))

    def ended(self, limit: int) -> Sequence[Ended]:
        """The last ones that were cleared, the latest first."""
        return self._file.use(lambda db: _ended(db, limit))

    def close(self) -> None:
        """Close it; a later call opens it again."""
        self._file.close()


def _read(db: sqlite3.Connection) -> tuple[Mark | None, Sequence[Alert]]:
    found = db.execute("SELECT place, boot, running, wall FROM mark").fetchone()
    mark = None if found is None else Mark(found[0], Moment(*found[1:]))
    return mark, [_decode(alert) for (alert,) in db.execute("SELECT alert FROM standing")]


def _write(
    db: sqlite3.Connection, mark: Mark, standing: Sequence[Alert], ended: Sequence[Ended]
) -> None:
    moment = mark.moment
    db.execute("DELETE FROM standing")
    db.executemany(
        "INSERT INTO standing VALUES(?, ?, ?)", [(*one.key, _encode(one)) for one in standing]
    )
    db.executemany(
        "INSERT INTO ended(wall, alert) VALUES(?, ?)",
        [(one.wall, _encode(one.alert)) for one in ended],
    )
    db.execute(
        "DELETE FROM ended WHERE number <= (SELECT max(number) FROM ended) - ?", (_MOST_ENDED,)
    )
    db.execute(
        "INSERT OR REPLACE INTO mark VALUES(1, ?, ?, ?, ?)",
        (mark.place, moment.boot, moment.running, moment.wall),
    )


def _ended(db: sqlite3.Connection, limit: int) -> Sequence[Ended]:
    found = db.execute("SELECT wall, alert FROM ended ORDER BY number DESC LIMIT ?", (limit,))
    return [Ended(wall, _decode(alert)) for wall, alert in found]
