"""A curve as text: bars up to the mean, a mark at the greatest, an axis that people can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from textual.content import Content

from appliance.control.schema_history import CurveView
from appliance.mail.figures import bytes_text, span_text
from tui.text import lines

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_PEAK = "·"
AXIS = 10
"""Characters left of the bars."""
_MS = 1000
_DAY = 86_400_000


@dataclass(frozen=True)
class Period:
    """When the parts of a curve are: the first begins at `start`, each lasts `step`, in ms."""

    start: int
    step: int


def figure(value: float | None, unit: str) -> str:
    """A value with its unit, short."""
    if value is None:
        return "–"
    match unit:
        case "bytes":
            return bytes_text(round(value))
        case "s":
            return span_text(round(value * _MS)) if value else "0 s"
        case "ms":
            return span_text(round(value)) if value >= 1 or not value else f"{value:.2f} ms"
        case "share":
            return f"{value:.1%}" if 0 < value < 1 else f"{value:.0%}"
        case "1/s":
            return f"{_number(value)}/s"
        case "bytes/s":
            return f"{bytes_text(round(value))}/s"
    return _number(value)


def draw(curve: CurveView, period: Period, width: int, height: int) -> Content:
    """The curve in `height` lines of `width`: its bars, and below them the times."""
    # An even number of lines, so that the middle one is half of the top.
    rows, room = max((height - 1) // 2 * 2, 2), max(width - AXIS - 1, 10)
    means, peaks = _fit(curve.mean, room), _fit(curve.greatest, room, peak=True)
    top = ceiling(max((one for one in peaks if one is not None), default=0.0), curve.unit)
    drawn = []
    for row in range(rows):
        label = figure(_label(row, rows, top), curve.unit) if row in _labelled(rows) else ""
        label = label[:AXIS].rjust(AXIS)
        bars = "".join(
            _cell(mean, peak, rows - 1 - row, rows, top)
            for mean, peak in zip(means, peaks, strict=True)
        )
        drawn.append(Content.assemble((label, "$quiet"), " ", (bars, "$primary")))
    drawn.append(Content.assemble((" " * (AXIS + 1) + _times(period, curve, room), "$quiet")))
    return lines(drawn)


def ceiling(value: float, unit: str) -> float:
    """A round number that is not less than `value`: where the axis ends."""
    if unit == "share":
        return 1.0
    if value <= 0:
        return 1.0
    base = 1024.0 if unit.startswith("bytes") else 10.0
    step = base ** math.floor(math.log(value, base))
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1024):
        if value <= step * factor:
            return step * factor
    return step * base


def _fit(values: Sequence[float | None], room: int, *, peak: bool = False) -> list[float | None]:
    """As many as there is room for: parts are put together, or drawn wider."""
    count = len(values)
    if not count:
        return [None] * room
    fitted: list[float | None] = []
    for column in range(room):
        first = column * count // room
        last = max((column + 1) * count // room, first + 1)
        known = [one for one in values[first:last] if one is not None]
        put = max(known) if peak and known else sum(known) / len(known) if known else None
        fitted.append(put)
    return fitted


def _cell(mean: float | None, peak: float | None, level: int, rows: int, top: float) -> str:
    """What stands at height `level` (0 is the lowest line)."""
    if mean is None:
        return " "
    eighths = round(min(mean / top, 1.0) * rows * 8)
    if mean > 0:
        eighths = max(eighths, 1)  # a little is not nothing
    here = min(max(eighths - level * 8, 0), 8)
    if here:
        return _EIGHTHS[here]
    if peak is not None and peak > mean and level == min(int(peak / top * rows), rows - 1):
        return _PEAK
    return " "


def _labelled(rows: int) -> tuple[int, ...]:
    return (0, rows // 2, rows - 1) if rows >= 5 else (0, rows - 1)


def _label(row: int, rows: int, top: float) -> float:
    return top * (rows - row) / rows if row < rows - 1 else 0.0


def _times(period: Period, curve: CurveView, room: int) -> str:
    """The beginning, the middle and the end, below where they are."""
    whole = period.step * len(curve.mean)
    texts = [_moment(period.start + whole * part // 2, whole) for part in range(3)]
    left = texts[0].ljust(room // 2 - len(texts[1]) // 2)
    return (left + texts[1]).ljust(room - len(texts[2]))[: room - len(texts[2])] + texts[2]


def _moment(milliseconds: int, whole: int) -> str:
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return f"{at:%H:%M}" if whole <= _DAY else f"{at:%d %b}"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
