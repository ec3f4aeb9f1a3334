"""`twinpost maintenance`: a node that is to be worked on."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import MOVE_PATIENCE, data_option, force_option, node_client


@click.command()
@data_option
@click.argument("state", type=click.Choice(("on", "off")))
@force_option
def command(data: Path, state: str, force: bool) -> None:
    """Keep the virtual addresses away from this node, also over restarts; or let it take part.

    What it holds goes to the other node as with `twinpost switchover`.
    """
    client = node_client(data, MOVE_PATIENCE)
    with node_errors():
        click.echo(client.maintain(state == "on", force))
