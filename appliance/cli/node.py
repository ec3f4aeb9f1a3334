"""`twinpost node`: one node in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import data_option


@click.command()
@data_option
def command(data: Path) -> None:
    """Run one node: its services, watched and started again; SIGTERM ends it in order."""
    from appliance.services.node import run_node
    from appliance.services.supervise import InUse

    try:
        with config_errors():
            run_node(data, lambda text: click.echo(text, err=True))
    except InUse as error:
        hint = "stop that process first, or name another directory with --data"
        raise CliError(str(error), hint, Exit.UNAVAILABLE) from error
