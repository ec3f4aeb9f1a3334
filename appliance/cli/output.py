"""What a terminal gets to see: foreign text made visible, figures for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
import msgspec

from appliance.mail.figures import bytes_text, counted, span_text, time_text
from appliance.mail.visible import visible

__all__ = [
    "bytes_text",
    "columns",
    "counted",
    "safe",
    "show_json",
    "span_text",
    "time_text",
]

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
