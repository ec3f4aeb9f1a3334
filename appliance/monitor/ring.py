"""The arithmetic of a history that never grows: places in time, levels, and how rows are folded.

A *place* is a number of milliseconds on an axis of the history's own. It grows by what the
machine's boot-time clock has counted: no step of the wall clock makes a gap, a spike, or a second
row of one moment. Only over a restart of the machine the wall clock says how long it was away, and
if that cannot be right, the restart counts as one sample. A place is shown as the wall clock would
have shown it by today's reckoning: what happened an hour ago is shown an hour ago.

A *row* has one figure, or the least, the mean and the greatest, for each series by its number; NaN
where nothing is known. Levels keep so many rows, not so many days: a wrong clock removes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_AWAY = 400 * DAY
"""A machine that was off for longer, or for less than nothing, has a wrong clock."""


@dataclass(frozen=True)
class Level:
    """Rows `step` milliseconds apart, the last `rows` of them."""

    step: int
    rows: int

    @property
    def span(self) -> int:
        """How far back it reaches if no row is missing."""
        return self.step * self.rows


LEVELS = (
    Level(10_000, DAY // 10_000),
    Level(MINUTE, 8 * DAY // MINUTE),
    Level(10 * MINUTE, 90 * DAY // (10 * MINUTE)),
)
"""The finest first; each step is a multiple of the one before."""
LONGEST = LEVELS[-1].span


@dataclass(frozen=True)
class Moment:
    """What the clocks say: which start of the machine, its running time and the wall's, in ms."""

    boot: str
    running: int
    wall: int


@dataclass(frozen=True)
class Mark:
    """The moment of the last sample, and its place."""

    place: int
    moment: Moment


def place(last: Mark | None, now: Moment) -> int:
    """The place of `now`, behind that of the last sample."""
    if last is None:
        return now.wall
    if now.boot == last.moment.boot:
        return last.place + max(0, now.running - last.moment.running)
    away = now.wall - last.moment.wall
    return last.place + (away if 0 < away < _AWAY else LEVELS[0].step)


class Row:
    """The figures of a slot: `least`, `mean`, `greatest` by series; `samples` were folded."""

    __slots__ = ("greatest", "least", "mean", "samples")

    def __init__(
        self,
        samples: int,
        least: Sequence[float],
        mean: Sequence[float],
        greatest: Sequence[float],
    ) -> None:
        self.samples = samples
        self.least = least
        self.mean = mean
        self.greatest = greatest


def sample(figures: Sequence[float]) -> Row:
    """A row of one sample."""
    return Row(1, figures, figures, figures)


def fold(rows: Iterable[Row]) -> Row | None:
    """Several rows as one; each counts for as many samples as it has. None of none."""
    known = list(rows)
    if not known:
        return None
    width = max(len(row.mean) for row in known)
    cells = [
        fold_one(
            (row.samples, row.least[index], row.mean[index], row.greatest[index])
            for row in known
            if index < len(row.mean)
        )
        for index in range(width)
    ]
    least, mean, greatest = zip(*cells, strict=True) if cells else ((), (), ())
    return Row(sum(row.samples for row in known), least, mean, greatest)


def fold_one(cells: Iterable[tuple[int, float, float, float]]) -> tuple[float, float, float]:
    """(least, mean, greatest) of one series; cells are (samples, least, mean, greatest)."""
    weight, total, low, high = 0, 0.0, nan, nan
    for samples, least, mean, greatest in cells:
        if isnan(mean):
            continue
        weight += samples
        total += samples * mean
        low = least if isnan(low) or least < low else low
        high = greatest if isnan(high) or greatest > high else high
    if not weight:
        return nan, nan, nan
    # The mean of numbers lies between them, whatever rounding makes of it.
    return low, min(max(total / weight, low), high), high


@dataclass(frozen=True)
class Window:
    """`points` equal parts, `width` long, the last of which ends at the place `end`."""

    level: int
    end: int
    width: int
    points: int

    @property
    def start(self) -> int:
        """Where the first part begins."""
        return self.end - self.width * self.points


def window(now: int, span: int, points: int) -> Window:
    """How the last `span` milliseconds are told in about `points` parts.

    From the coarsest level that is fine enough, which reaches as far; parts begin at its slots.
    """
    far = [index for index, level in enumerate(LEVELS) if level.span >= span]
    reach = far or [len(LEVELS) - 1]
    fine = [index for index in reach if LEVELS[index].step * points <= span]
    level = fine[-1] if fine else reach[0]
    step = LEVELS[level].step
    width = max(1, -(-span // (points * step))) * step
    end = (now // width + 1) * width
    return Window(level, end, width, -(-span // width))
