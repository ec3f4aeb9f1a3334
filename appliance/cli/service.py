"""`twinpost service NAME`: one service in the foreground, as node and systemd start it."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import data_option

_ADDRESS_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
NAMES = ("failover", "balance", "mail", "account", "delivery", "control", "search", "setup")


@click.command()
@data_option
@click.argument("name", type=click.Choice(NAMES))
def command(data: Path, name: str) -> None:
    """Run one service of a node; it expects the others to be run beside it."""
    import importlib

    from appliance.services.process import run_service

    if name == "setup":
        from appliance.services.first_boot import run_setup

        run_setup(data)
        return
    module = importlib.import_module(f"appliance.services.{name}")
    try:
        with config_errors():
            run_service(name, data, module.serve)
    except OSError as error:
        if error.errno not in _ADDRESS_ERRORS:
            traceback.print_exc()  # for the log, which outlives what was on a screen
            raise
        hint = "another program has the address, or this machine does not: see node.toml"
        raise CliError(f"{name}: {error}", hint, Exit.UNAVAILABLE) from error
