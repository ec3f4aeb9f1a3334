"""Charts as SVG inside a page: no script, no style, nothing to load; readable in grey, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from appliance.report.content import Chart, Curve
from appliance.report.words import quantity

WIDTH, HEIGHT = 480, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 12, 24
_ACROSS, _DOWN = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_LINES = 4
_COLOURS = ("#1f5f8b", "#b3541e", "#4a7c3a", "#7a4a8c", "#666666")
_DASHES = ("", "6 3", "2 2", "8 3 2 3", "1 3")
_ROUND = (1, 2, 4, 8, 10, 20, 40, 80, 100, 200, 400, 800, 1000, 1024)
_TIMES = (
    *(4, 8, 20, 40, 60, 120, 240, 480, 1200, 2400, 3600, 7200, 14_400, 28_800, 57_600),
    *(86_400 * days for days in (1, 2, 4, 8, 20, 40, 80, 120, 400)),
)
"""Seconds."""
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_STEPS = (
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    7 * _DAY,
    14 * _DAY,
    30 * _DAY,
)


def drawn(chart: Chart) -> str:
    """The chart as an <svg> element; "" if nothing is known of any curve."""
    known = [
        value
        for curve in chart.curves
        for value in (*curve.mean, *curve.greatest)
        if value is not None and math.isfinite(value)
    ]
    if not known:
        return ""
    top = _top(max(known), chart.unit)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        *_scale(top, chart.unit),
        *_times(chart),
    ]
    for number, curve in enumerate(chart.curves):
        parts += _curve(curve, top, number)
    return "".join([*parts, "</svg>"])


def legend(chart: Chart) -> Sequence[tuple[str, str]]:
    """Each curve's label, and a small line as it is drawn."""
    if len(chart.curves) < 2:
        return ()
    return [
        (
            curve.label,
            f'<svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path d="M0 4H28"'
            f"{_pen(number)}/></svg>",
        )
        for number, curve in enumerate(chart.curves)
    ]


def _pen(number: int) -> str:
    colour, dashes = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f' fill="none" stroke="{colour}" stroke-width="1.6"{dashed}'


def _top(greatest: float, unit: str) -> float:
    """The end of the scale: not below the greatest value, and its quarters are round."""
    if unit == "share" or greatest <= 0:
        return 1.0
    if unit == "s" and 1 < greatest <= _TIMES[-1]:
        return next(time for time in _TIMES if time >= greatest)
    base = 1024.0 if unit == "bytes" else 10.0
    power = base ** math.floor(math.log(greatest, base))
    rounds = [factor * power for factor in _ROUND if greatest <= factor * power * (1 + 1e-9)]
    return rounds[0] if rounds else greatest


def _scale(top: float, unit: str) -> Iterator[str]:
    for line in range(_LINES + 1):
        y = _TOP + _DOWN - _DOWN * line / _LINES
        text = escape(quantity(top * line / _LINES, unit))
        colour = "#888" if line == 0 else "#ddd"
        yield f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{colour}" fill="none"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>'


def _times(chart: Chart) -> Iterator[str]:
    points = max(len(curve.mean) for curve in chart.curves)
    length = points * chart.step
    step = next((one for one in _STEPS if length / one <= 8), _STEPS[-1])
    try:
        begin = datetime.fromtimestamp(chart.start / 1000, UTC)
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight
        while at < begin:
            at += timedelta(milliseconds=step)
        end = begin + timedelta(milliseconds=length)
        while at <= end:
            x = _LEFT + _ACROSS * ((at - begin) / timedelta(milliseconds=length))
            text = f"{at:%d %b}" if step >= _DAY else f"{at:%H:%M}"
            yield f'<path d="M{x:.1f} {_TOP + _DOWN}v4" stroke="#888" fill="none"/>'
            if x < WIDTH - _RIGHT - 12:
                yield f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>'
            at += timedelta(milliseconds=step)
    except (OverflowError, OSError, ValueError):
        return  # a clock that no calendar has: the curve is there without its times


def _curve(curve: Curve, top: float, number: int) -> Iterator[str]:
    if curve.greatest:
        path = _path(curve.greatest, top)
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="0.6" opacity="0.45"/>'
    yield f'<path d="{_path(curve.mean, top)}"{_pen(number)}/>'


def _path(values: Sequence[float | None], top: float) -> str:
    """Lines through what is known, with gaps where nothing is; a lone value is a short line."""
    path, drawing = list[str](), False
    for place, value in enumerate(values):
        if value is None or not math.isfinite(value):
            drawing = False
            continue
        x = _LEFT + _ACROSS * (place + 0.5) / len(values)
        y = _TOP + _DOWN - _DOWN * min(max(value / top, 0.0), 1.0)
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        lone = not drawing and (place + 1 == len(values) or values[place + 1] is None)
        if lone:
            path.append("h1.5")
        drawing = True
    return "".join(path)
