"""`twinpost switchover`: the virtual addresses moved on purpose."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import MOVE_PATIENCE, data_option, force_option, node_client


@click.command()
@data_option
@click.option("--vrid", type=click.IntRange(1, 255), help="This virtual router only.")
@click.option("--here", is_flag=True, help="Bring them from the other node to this one.")
@force_option
def command(data: Path, vrid: int | None, here: bool, force: bool) -> None:
    """Leave the virtual addresses of this node to the other one.

    Mail is handed over first: deliveries under way end, then the other node owns the queue.
    """
    client = node_client(data, MOVE_PATIENCE)
    with node_errors():
        click.echo(client.switch_over(vrid, force, here=here))
