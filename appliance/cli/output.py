"""What a terminal gets to see: foreign text made visible, figures for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
import msgspec

from appliance.mail.visible import visible

CELL = 60
"""Characters of a foreign value in a table."""
LINE = 500
"""Characters of a foreign value on a line of its own."""


def show_json(value: object) -> None:
    """A value of the API as one JSON document, ASCII only: nothing in it can steer a terminal."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=True))


def safe(foreign: str, limit: int = LINE) -> str:
    """Foreign text as it may be printed."""
    return visible(foreign, limit)


def columns(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """A table with its heads; the last column is as wide as it likes."""
    table = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads) - 1)]
    lines = []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def bytes_text(size: int) -> str:
    """4096 as "4.0 KiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def time_text(milliseconds: int) -> str:
    """A length of time for people: "12 s", "5 min", "3 h 20 min", "2 d 4 h"."""
    seconds = max(milliseconds, 0) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def span_text(milliseconds: int) -> str:
    """Like `time_text`, to the millisecond below a minute: "345 ms", "1.234 s"."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3f} s"
    return time_text(milliseconds)


def counted(number: int, one: str, many: str = "") -> str:
    """1 → "1 message", 2 → "2 messages"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
