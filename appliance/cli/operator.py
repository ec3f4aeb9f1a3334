"""`twinpost operator`: the people who run the site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import columns, safe, show_json
from appliance.cli.people_import import while_alone_option
from appliance.cli.secret import new_password
from appliance.cli.user import password_options, since, tell

if TYPE_CHECKING:
    from appliance.control.roles import Role

_ROLES = ("viewer", "operator", "administrator")


@click.group()
def command() -> None:
    """Operators: who may log in at the console, and see and change what.

    A viewer sees. An operator moves mail and addresses, too. An administrator changes the site,
    its users and its operators. Both nodes know of a change at once. The node's user and root
    need no operator for this command.
    """


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List all operators."""
    client = node_client(data)
    with node_errors():
        found = client.operators()
    if as_json:
        show_json({"operators": found})
        return
    rows = [
        (
            one.name,
            one.role or "unknown here",
            "disabled" if one.disabled else since(one.password_set_at),
            str(one.sessions),
        )
        for one in found
    ]
    none = "No operators. The first one: twinpost operator add NAME --role administrator"
    header = ("OPERATOR", "ROLE", "PASSWORD", "SESSIONS HERE")
    click.echo(columns(rows, header) if rows else none)


@command.command()
@data_option
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(_ROLES))
@password_options
@while_alone_option
def add(data: Path, name: str, role: str, stdin: bool, generate: bool, while_alone: bool) -> None:
    """Add an operator, and ask for a password."""
    client = node_client(data)
    password = new_password(stdin, generate)
    with node_errors():
        said = client.add_operator(name, _role(role), password, while_alone)
    tell(said, password if generate else None)


@command.command()
@data_option
@click.argument("name")
@password_options
@while_alone_option
def password(data: Path, name: str, stdin: bool, generate: bool, while_alone: bool) -> None:
    """Give an operator another password; all sessions of the operator end."""
    client = node_client(data)
    chosen = new_password(stdin, generate)
    with node_errors():
        said = client.set_operator_password(name, chosen, while_alone)
    tell(said, chosen if generate else None)


@command.command()
@data_option
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@while_alone_option
def role(data: Path, name: str, role: str, while_alone: bool) -> None:
    """Give an operator another role; all sessions of the operator end."""
    client = node_client(data)
    with node_errors():
        click.echo(safe(client.set_operator_role(name, _role(role), while_alone)))


def _role(name: str) -> Role:
    from appliance.control.roles import Role

    return Role(name)


def _action(action: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @data_option
    @click.argument("name")
    @while_alone_option
    def change(data: Path, name: str, while_alone: bool) -> None:
        client = node_client(data)
        with node_errors():
            click.echo(safe(client.change_operator(name, action, while_alone)))

    return change


for _name, _text in (
    ("disable", "Let an operator log in no more; sessions end at once."),
    ("enable", "Let a disabled operator log in again."),
    ("remove", "Remove an operator. The last administrator stays."),
):
    command.add_command(_action(_name, _text))
