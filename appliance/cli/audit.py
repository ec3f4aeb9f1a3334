"""`twinpost audit`: who changed what."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.logs import latest
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, columns, safe, show_json
from appliance.cli.told import MOMENT

_HEADS = ("when", "node", "who", "role", "outcome", "what")
_OWN = ("by", "role", "action", "outcome")


@click.command()
@data_option
@json_option
@click.option("--since", type=MOMENT, help="From then on: 2026-11-28, 2h, 7d.")
@click.option("--grep", "text", default="", help="Only with this text in them.")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(1, 10_000))
def command(data: Path, as_json: bool, since: int | None, text: str, limit: int) -> Exit:
    """Show who changed what on both nodes, the oldest first, and what was refused."""
    from appliance.monitor.log.told import Wanted

    client = node_client(data)
    with node_errors():
        found, _ = latest(client, Wanted(events=("audit",), since=since, text=text), limit)
    if as_json:
        show_json({"events": found})
        return Exit.OK
    rows = []
    for one in found:
        fields = {name: safe(str(value), CELL) for name, value in one.fields.items()}
        about = [f"{name}={value}" for name, value in fields.items() if name not in _OWN]
        who, role, action, outcome = (fields.get(name, "") for name in _OWN)
        rows.append((one.at, safe(one.node), who, role, outcome, " ".join([action, *about])))
    click.echo(columns(rows, _HEADS) if rows else "Nobody changed anything.")
    return Exit.OK if rows else Exit.NEGATIVE
