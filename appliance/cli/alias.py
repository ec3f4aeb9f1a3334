"""`twinpost alias`: addresses that stand for others."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli import people_import
from appliance.cli.errors import node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, columns, safe, show_json
from appliance.cli.people_import import while_alone_option


@click.group()
def command() -> None:
    """Aliases: addresses whose mail goes to users and other addresses."""


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List all aliases."""
    client = node_client(data)
    with node_errors():
        found = client.aliases()
    if as_json:
        show_json({"aliases": found})
        return
    rows = [(safe(one.address, CELL), safe(", ".join(one.to))) for one in found]
    click.echo(columns(rows, ("ALIAS", "GOES TO")) if rows else "No aliases.")


@command.command()
@data_option
@click.argument("address")
@click.argument("to", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Also if there is such an alias.")
@while_alone_option
def add(data: Path, address: str, to: tuple[str, ...], replace: bool, while_alone: bool) -> None:
    """Let mail for ADDRESS go TO users and addresses."""
    from appliance.control.schema import AddAliases, AliasView

    client = node_client(data)
    wanted = AddAliases((AliasView(address, to),), replace, "", while_alone)
    with node_errors():
        click.echo(safe(client.add_aliases(wanted)))


@command.command()
@data_option
@click.argument("address")
@while_alone_option
def remove(data: Path, address: str, while_alone: bool) -> None:
    """Remove an alias."""
    client = node_client(data)
    with node_errors():
        click.echo(safe(client.remove_alias(address, while_alone)))


command.add_command(people_import.aliases)
