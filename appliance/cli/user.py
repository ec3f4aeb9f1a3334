"""`twinpost user`: who has a mailbox, and may send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance.cli import people_import
from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, columns, safe, show_json
from appliance.cli.people_import import while_alone_option
from appliance.cli.secret import new_password

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """Users: who has a mailbox, and may log in and send.

    Both nodes know of a change at once. Passwords are never arguments: other users of the machine
    could read them.
    """


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List all users."""
    client = node_client(data)
    with node_errors():
        found = client.users()
    if as_json:
        show_json({"users": found})
        return
    rows = [
        (
            one.name,
            one.mailbox,
            "disabled" if one.disabled else since(one.password_set_at),
            safe(", ".join(one.addresses), CELL),
        )
        for one in found
    ]
    click.echo(columns(rows, ("USER", "MAILBOX", "PASSWORD", "ADDRESSES")) if rows else "No users.")


@command.command()
@data_option
@json_option
@click.argument("name")
def show(data: Path, as_json: bool, name: str) -> None:
    """Show one user."""
    client = node_client(data)
    with node_errors():
        found = next((one for one in client.users() if one.name == name), None)
    if found is None:
        raise CliError(f"there is no user {safe(name)}", "see `twinpost user list`", Exit.NEGATIVE)
    if as_json:
        show_json(found)
        return
    click.echo(f"user         {found.name}")
    click.echo(f"mailbox      {found.mailbox}")
    click.echo(f"addresses    {safe(', '.join(found.addresses)) or 'none'}")
    click.echo(f"may send as  {safe(', '.join(found.may_send_as)) or 'these addresses only'}")
    click.echo(f"password     {since(found.password_set_at)}")
    click.echo(f"may log in   {'no, disabled' if found.disabled else 'yes'}")


def password_options(function: Function) -> Function:
    """--stdin and --generate, for `new_password`."""
    function = click.option("--stdin", is_flag=True, help="Read the password from standard input.")(
        function
    )
    return click.option(
        "--generate", is_flag=True, help="Make a random password and print it, this once."
    )(function)


@command.command()
@data_option
@click.argument("name")
@click.option("--mailbox", default="", help="Where its mail is filed, if not under its name.")
@click.option("--address", "addresses", multiple=True, help="Its address; again for more.")
@click.option("--may-send-as", "rights", multiple=True, help='Also "@example.org", or "*".')
@click.option("--no-password", is_flag=True, help="Nobody can log in as this user yet.")
@password_options
@while_alone_option
def add(
    data: Path,
    name: str,
    mailbox: str,
    addresses: tuple[str, ...],
    rights: tuple[str, ...],
    no_password: bool,
    stdin: bool,
    generate: bool,
    while_alone: bool,
) -> None:
    """Add a user, and ask for a password.

    Without an address it gets mail for NAME in every domain of the site.
    """
    from appliance.control.schema import AddUsers, NewUser

    client = node_client(data)
    password = None if no_password else new_password(stdin, generate)
    user = NewUser(
        name=name,
        mailbox=mailbox,
        addresses=addresses or None,
        may_send_as=rights,
        password=password,
    )
    with node_errors():
        said = client.add_users(AddUsers((user,), "", while_alone))
    tell(said, password if generate else None)


@command.command()
@data_option
@click.argument("name")
@password_options
@while_alone_option
def password(data: Path, name: str, stdin: bool, generate: bool, while_alone: bool) -> None:
    """Give a user another password, on the node itself."""
    client = node_client(data)
    chosen = new_password(stdin, generate)
    with node_errors():
        said = client.set_password(name, chosen, while_alone)
    tell(said, chosen if generate else None)


def _action(action: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @data_option
    @click.argument("name")
    @while_alone_option
    def change(data: Path, name: str, while_alone: bool) -> None:
        client = node_client(data)
        with node_errors():
            click.echo(safe(client.change_user(name, action, while_alone)))

    return change


def tell(said: str, password: str | None) -> None:
    """Tell what happened; the password alone on standard output, for scripts."""
    click.echo(safe(said), err=password is not None)
    if password is not None:
        click.echo(password)


def since(set_at: int | None) -> str:
    """Since when there is a password."""
    if set_at is None:
        return "none"
    return "since " + datetime.fromtimestamp(set_at / 1000, UTC).strftime("%Y-%m-%d")


for _name, _text in (
    ("disable", "Let a user log in and send no more, at once; its mail still comes in."),
    ("enable", "Let a disabled user log in again."),
    ("remove", "Remove a user. Its mailbox stays, and its addresses bounce."),
):
    command.add_command(_action(_name, _text))
command.add_command(people_import.users)
