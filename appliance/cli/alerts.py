"""`twinpost alerts`: what is not as it should be, who knows of it, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import columns, safe, show_json, time_text

if TYPE_CHECKING:
    from appliance.control.schema_alerts import Alerts, AlertView, EndedAlert

_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


@click.group()
def command() -> None:
    """Alerts: what is not as it should be, who knows of it, and what was."""


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> int:
    """Show the alerts of both nodes; exit code 1 if one is raised."""
    with node_errors():
        found = node_client(data).alerts()
    if as_json:
        show_json(found)
    else:
        click.echo(alerts_text(found))
    every = [*found.alerts, *(found.peer.alerts if found.peer else ())]
    return Exit.NEGATIVE if any(one.phase != "pending" for one in every) else Exit.OK


@command.command()
@data_option
@json_option
@click.option("--peer", is_flag=True, help="An alert of the other node.")
@click.option("--why", default="", help="For whoever sees it next.")
@click.option("--for", "span", metavar="SPAN", help="How long: 30m, 8h, 7d. Else to its end.")
@click.argument("name")
@click.argument("subject", default="")
def ack(
    data: Path, as_json: bool, peer: bool, why: str, span: str | None, name: str, subject: str
) -> None:
    """Say that you know of an alert: nobody is told of it again."""
    from appliance.control.schema_alerts import AcknowledgeAlert

    body = AcknowledgeAlert(subject, why, None if span is None else _milliseconds(span))
    with node_errors():
        alert = node_client(data).acknowledge(name, body, peer=peer)
    if as_json:
        show_json(alert)
    else:
        click.echo("\n".join(alert_lines(alert)))


@command.command()
@data_option
@json_option
@click.option("--peer", is_flag=True, help="Those of the other node.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
def history(data: Path, as_json: bool, peer: bool, limit: int) -> None:
    """Show the last alerts that were cleared, the latest first."""
    with node_errors():
        ended = node_client(data).ended_alerts(limit, peer=peer)
    if as_json:
        show_json({"ended": ended})
    else:
        click.echo(history_text(ended))


def alerts_text(found: Alerts) -> str:
    """The alerts of both nodes for people."""
    lines = [*_node(found.node, found.alerts)]
    if found.peer is not None:
        lines += ["", *_node(found.peer.node, found.peer.alerts, found.peer.ago)]
    return "\n".join(lines)


def _node(name: str, alerts: Sequence[AlertView], ago: int = 0) -> Sequence[str]:
    late = f", as of {time_text(ago)} ago" if ago > 60_000 else ""
    if not alerts:
        return [f"Node {safe(name)}{late}: no alert."]
    lines = [f"Node {safe(name)}{late}:"]
    for alert in alerts:
        lines += ["", *alert_lines(alert)]
    return lines


def alert_lines(alert: AlertView) -> Sequence[str]:
    """One alert for people."""
    subject = f" {safe(alert.subject)}" if alert.subject else ""
    lines = [
        f"  {alert.severity.upper()} {alert.name}{subject}: {alert.phase},"
        f" for {time_text(alert.held)}",
        f"    {safe(alert.text)}",
    ]
    known = alert.acknowledged
    if known is None:
        return [*lines, f"    → {safe(alert.hint)}"]
    why = f": {safe(known.why)}" if known.why else ""
    left = "" if known.left is None else f" (for {time_text(known.left)} more)"
    return [*lines, f"    {safe(known.by)} knows{why}{left}"]


def history_text(ended: Sequence[EndedAlert]) -> str:
    """What has ended, for people."""
    if not ended:
        return "No alert has ended."
    rows = [
        (
            _time(one.raised_at),
            time_text(one.lasted),
            one.severity,
            one.name + (f" {safe(one.subject, 40)}" if one.subject else ""),
            safe(one.text),
        )
        for one in ended
    ]
    return columns(rows, ("raised (UTC)", "lasted", "", "alert", ""))


def _milliseconds(span: str) -> int:
    number, unit = span[:-1], span[-1:]
    if not number.isascii() or not number.isdecimal() or unit not in _UNITS:
        raise click.BadParameter(f"{span!r}: write 30m, 8h or 7d", param_hint="--for")
    return int(number) * _UNITS[unit]


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "no time"
