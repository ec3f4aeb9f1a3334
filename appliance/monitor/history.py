"""The history of figures on disk: three levels of rows, each with so many and no more.

A row holds the figures of all series as 32-bit floats, one after the other by the series' number:
so a sample is one small row whatever there is to tell, and a series is read without the others'
figures. docs/monitoring.md says how large the file becomes.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from sqlite_utils import Database, Migrations

from appliance.monitor.file import MonitorFile
from appliance.monitor.ring import (
    LEVELS,
    Mark,
    Moment,
    Row,
    Window,
    fold,
    fold_one,
    place,
    sample,
    window,
)

_CELL = (struct.Struct("<f"), struct.Struct("<3f"))
"""A series' part of a row: its figure, or on the coarser levels the least, mean and greatest."""
_LEVEL_BITS = 44
_Cell = tuple[int, float, float, float]

migrations = Migrations("history")


@migrations()
def first(db: Database) -> None:
    """Rows by level and slot in one key, how many each level has, where the last sample stands."""
    db.executescript(
        """
        CREATE TABLE series(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE row(key INTEGER PRIMARY KEY, samples INTEGER NOT NULL, figures BLOB NOT NULL);
        CREATE TABLE level(number INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
        CREATE TABLE mark(
          one INTEGER PRIMARY KEY CHECK(one = 1), place INTEGER NOT NULL, boot TEXT NOT NULL,
          running INTEGER NOT NULL, wall INTEGER NOT NULL);
        """
    )


@dataclass(frozen=True)
class Curve:
    """One series over a window: None in a part of which nothing is known."""

    least: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    greatest: tuple[float | None, ...]


@dataclass(frozen=True)
class Told:
    """Curves by name; the window begins at `start`, wall-clock ms by today's reckoning."""

    start: int
    width: int
    points: int
    curves: Mapping[str, Curve]


class HistoryFile:
    """The file at `path`, for one thread at a time. Everything raises sqlite3.Error."""

    def __init__(self, path: Path, damaged: Callable[[str], None]) -> None:
        self._file = MonitorFile(path, migrations, damaged)

    def add(self, now: Moment, figures: Mapping[str, float]) -> int:
        """A sample; its place. Finished slots of the coarser levels are made with it."""
        return self._file.use(lambda db: _add(db, now, figures))

    def read(self, names: Sequence[str], now: Moment, span: int, points: int) -> Told:
        """The last `span` milliseconds in about `points` parts."""
        return self._file.use(lambda db: _read(db, names, now, span, points))

    def mean(self, name: str, now: Moment, span: int) -> tuple[float, int] | None:
        """(the mean of a series over the last `span`, of how many samples); None if unknown."""
        return self._file.use(lambda db: _mean(db, name, now, span))

    def close(self) -> None:
        """Close it; a later call opens it again."""
        self._file.close()


def _add(db: sqlite3.Connection, now: Moment, figures: Mapping[str, float]) -> int:
    last = _mark(db)
    at = place(last, now)
    numbers = _numbers(db)
    for name in figures:
        if name not in numbers:
            numbers[name] = len(numbers)
            db.execute("INSERT INTO series VALUES(?, ?)", (numbers[name], name))
    cells = [nan] * len(numbers)
    for name, figure in figures.items():
        cells[numbers[name]] = figure
    if last is not None:
        for level in range(1, len(LEVELS)):
            _roll_up(db, level, last.place, at)
    _put(db, 0, at // LEVELS[0].step, sample(cells))
    db.execute(
        "INSERT OR REPLACE INTO mark VALUES(1, ?, ?, ?, ?)", (at, now.boot, now.running, now.wall)
    )
    return at


def _roll_up(db: sqlite3.Connection, level: int, last: int, at: int) -> None:
    """Make the row of the slot in which the last sample was, if that slot is over."""
    step, finer = LEVELS[level].step, LEVELS[level - 1].step
    slot = last // step
    if at // step == slot:
        return
    first = slot * step // finer
    found = db.execute(
        "SELECT samples, figures FROM row WHERE key BETWEEN ? AND ?",
        (_key(level - 1, first), _key(level - 1, first + step // finer - 1)),
    )
    made = fold([_row(level - 1, *one) for one in found])
    if made is not None:
        _put(db, level, slot, made)


def _put(db: sqlite3.Connection, level: int, slot: int, row: Row) -> None:
    """Write a row; the oldest of its level goes if there is one too many."""
    key = _key(level, slot)
    if not db.execute("SELECT 1 FROM row WHERE key = ?", (key,)).fetchone():
        db.execute(
            "INSERT INTO level VALUES(?, 1) ON CONFLICT DO UPDATE SET rows = rows + 1", (level,)
        )
    db.execute(
        "INSERT OR REPLACE INTO row VALUES(?, ?, ?)", (key, row.samples, _figures(level, row))
    )
    (many,) = db.execute("SELECT rows FROM level WHERE number = ?", (level,)).fetchone()
    if many > LEVELS[level].rows:
        db.execute(
            "DELETE FROM row WHERE key = (SELECT min(key) FROM row WHERE key >= ?)",
            (_key(level, 0),),
        )
        db.execute("UPDATE level SET rows = rows - 1 WHERE number = ?", (level,))


def _figures(level: int, row: Row) -> bytes:
    if not level:
        return struct.pack(f"<{len(row.mean)}f", *row.mean)
    cells = [
        figure for cell in zip(row.least, row.mean, row.greatest, strict=True) for figure in cell
    ]
    return struct.pack(f"<{len(cells)}f", *cells)


def _row(level: int, samples: int, figures: bytes) -> Row:
    told = struct.unpack(f"<{len(figures) // 4}f", figures)
    if not level:
        return Row(samples, told, told, told)
    return Row(samples, told[::3], told[1::3], told[2::3])


def _read(
    db: sqlite3.Connection, names: Sequence[str], now: Moment, span: int, points: int
) -> Told:
    here = place(_mark(db), now)
    wanted = window(here, span, points)
    parts: dict[str, list[list[_Cell]]] = {
        name: [[] for _ in range(wanted.points)] for name in names
    }
    for at, name, cell in _cells(db, wanted, names):
        parts[name][(at - wanted.start) // wanted.width].append(cell)
    curves = {name: _curve(cells) for name, cells in parts.items()}
    return Told(now.wall - (here - wanted.start), wanted.width, wanted.points, curves)


def _curve(parts: Sequence[Sequence[_Cell]]) -> Curve:
    least, mean, greatest = zip(*map(fold_one, parts), strict=True)
    return Curve(_known(least), _known(mean), _known(greatest))


def _mean(db: sqlite3.Connection, name: str, now: Moment, span: int) -> tuple[float, int] | None:
    here = place(_mark(db), now)
    level = next(index for index, level in enumerate(LEVELS) if level.span >= span)
    found = _cells(db, Window(level, here + 1, span, 1), [name])
    cells = [cell for _, _, cell in found if not isnan(cell[2])]
    return (fold_one(cells)[1], sum(cell[0] for cell in cells)) if cells else None


def _cells(
    db: sqlite3.Connection, wanted: Window, names: Sequence[str]
) -> Iterator[tuple[int, str, _Cell]]:
    """(place, name, cell); what a level has not made yet is told by the finer ones."""
    known = _numbers(db)
    numbers = {name: known[name] for name in names if name in known}
    begin = wanted.start
    for level in range(wanted.level, -1, -1):
        step, cell = LEVELS[level].step, _CELL[level > 0]
        places = [place for one in numbers.values() for place in (one * cell.size + 1, cell.size)]
        found = db.execute(
            f"SELECT key, samples{', substr(figures, ?, ?)' * len(numbers)} FROM row"
            " WHERE key >= ? AND key < ?",
            (*places, _key(level, -(-begin // step)), _key(level, -(-wanted.end // step))),
        )
        for key, samples, *cells in found:
            at = (key - _key(level, 0)) * step
            begin = at + step
            for name, figures in zip(numbers, cells, strict=True):
                if len(figures) == cell.size:  # else the series came later
                    told = cell.unpack(figures)
                    yield at, name, (samples, told[0], told[len(told) // 2], told[-1])


def _key(level: int, slot: int) -> int:
    return (level << _LEVEL_BITS) + slot


def _numbers(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, number FROM series"))


def _mark(db: sqlite3.Connection) -> Mark | None:
    found = db.execute("SELECT place, boot, running, wall FROM mark").fetchone()
    return None if found is None else Mark(found[0], Moment(*found[1:]))


def _known(figures: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(None if isnan(one) else one for one in figures)
