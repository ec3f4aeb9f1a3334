"""`twinpost salvage DISK`: what a dead node's disk still holds."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import counted, safe, show_json


@click.command()
@data_option
@json_option
@click.argument("disk", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(disk: Path, data: Path, as_json: bool) -> Exit:
    """Take over the mail in DISK, the data directory of a dead node, mounted here.

    DISK is read only, and may be damaged. Nothing that this node has is overwritten. What the
    dead node owned is this node's afterwards; what it may have delivered already is in doubt.
    """
    client = node_client(data, timeout=None)
    with node_errors():
        view = client.salvage(str(disk.absolute()))
    if as_json:
        show_json(view)
    else:
        click.echo(f"Salvaged the disk of node {safe(view.node)}:")
        click.echo(f"  {counted(view.messages, 'message')} that were not here")
        click.echo(f"  {counted(view.merged, 'message')} of which more is known now")
        click.echo(f"  {counted(view.lost, 'message')} without content, {view.damaged} bad places")
        for problem in view.problems:
            click.echo(f"  ! {safe(problem)}")
    return Exit.NEGATIVE if view.lost or view.damaged else Exit.OK
