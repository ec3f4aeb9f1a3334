"""`twinpost metrics`: figures of the last 90 days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, columns, show_json, span_text

if TYPE_CHECKING:
    from appliance.control.schema_history import CurveView, HistoryView

_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "


@click.group()
def command() -> None:
    """Figures of this node, and of the other one, over time."""


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """Show which figures there are."""
    with node_errors():
        found = node_client(data).metrics()
    if as_json:
        show_json(found)
    else:
        click.echo(
            columns([(one.metric, one.unit, one.title) for one in found], ("metric", "unit", ""))
        )


@command.command()
@data_option
@json_option
@click.option("--range", "span", default="1h", show_default=True, help="From 1m to 90d.")
@click.option("--points", default=60, show_default=True, type=click.IntRange(1, 2000))
@click.option("--peer", is_flag=True, help="Those of the other node.")
@click.argument("metrics", nargs=-1, required=True)
def show(
    data: Path, as_json: bool, span: str, points: int, peer: bool, metrics: tuple[str, ...]
) -> int:
    """Show figures over time; exit code 1 if nothing is known."""
    with node_errors():
        told = node_client(data).figures(metrics, span, points, peer=peer)
    if as_json:
        show_json(told)
    else:
        click.echo(history_text(told))
    known = any(one is not None for curve in told.curves for one in curve.mean)
    return Exit.OK if known else Exit.NEGATIVE


def history_text(told: HistoryView) -> str:
    """Curves for people."""
    begin, end = told.start, told.start + told.step * told.points
    lines = [f"Node {told.node}, {_time(begin)} to {_time(end)} UTC, a bar is {_long(told.step)}"]
    for curve in told.curves:
        lines += ["", f"{curve.title} ({curve.metric})", f"  {sparkline(curve.mean)}"]
        lines.append(f"  {_figures(curve)}")
    return "\n".join(lines)


def sparkline(figures: Sequence[float | None]) -> str:
    """A bar for each figure, from nothing to the greatest; a gap where nothing is known."""
    known = [one for one in figures if one is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    steps = (high - low) / (len(_BARS) - 1)
    bars = [
        _GAP if one is None else _BARS[round((one - low) / steps) if steps else 0]
        for one in figures
    ]
    return "".join(bars)


def _figures(curve: CurveView) -> str:
    known = [one for one in curve.mean if one is not None]
    least = [one for one in curve.least if one is not None]
    greatest = [one for one in curve.greatest if one is not None]
    if not known:
        return "nothing is known"
    told = {
        "last": known[-1],
        "mean": sum(known) / len(known),
        "least": min(least),
        "greatest": max(greatest),
    }
    return ", ".join(f"{name} {figure_text(one, curve.unit)}" for name, one in told.items())


def figure_text(figure: float, unit: str) -> str:
    """A figure with its unit."""
    match unit:
        case "bytes":
            return bytes_text(round(figure))
        case "s":
            return span_text(round(1000 * figure))
        case "share":
            return f"{100 * figure:.4g} %"
    return f"{figure:.4g} {unit}"


def _long(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "no time"
