"""`twinpost service NAME`: one service in the foreground, as node and systemd start it."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.errors import config_errors
from appliance.cli.options import data_option

NAMES = ("mail", "delivery", "control")


@click.command()
@data_option
@click.argument("name", type=click.Choice(NAMES))
def command(data: Path, name: str) -> None:
    """Run one service of a node; it expects the others to be run beside it."""
    import importlib

    from appliance.services.process import run_service

    module = importlib.import_module(f"appliance.services.{name}")
    with config_errors():
        run_service(name, data, module.serve)
