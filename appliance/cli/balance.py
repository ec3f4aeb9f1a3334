"""`twinpost balance`: the servers behind the virtual address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import columns, counted, safe, show_json, time_text

if TYPE_CHECKING:
    from appliance.control.schema import ServerChange
    from appliance.ipc.balance import BalanceView, ServerView

_HEADS = ("SERVER", "STATE", "WEIGHT", "CLIENTS", "SERVED", "MISSED", "CHECK")


@click.group()
def command() -> None:
    """See how clients are spread over the nodes, and change it while it runs.

    Each node has a balancer of its own, and that of the node with the virtual address is at work:
    name that node with --data. Changes are the pair's: they last, whatever starts anew or moves.
    """


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show the servers: state, weight, clients, and what the last check found."""
    with node_errors():
        view = node_client(data).balance()
    if as_json:
        show_json(view)
    else:
        click.echo(balance_text(view))


@command.command("set-weight")
@data_option
@click.argument("name")
@click.argument("weight", type=click.IntRange(min=1))
def set_weight(data: Path, name: str, weight: int) -> None:
    """Give the server NAME another share of the clients: weights 2 and 3 are 40 % and 60 %.

    It counts instead of what node.toml says, until it is the same as that.
    """
    from appliance.control.schema import ServerChange

    _change(data, name, ServerChange(weight=weight))


@command.command()
@data_option
@click.argument("name")
def drain(data: Path, name: str) -> None:
    """Give the server NAME no new clients; those it has may finish."""
    from appliance.control.schema import ServerChange

    _change(data, name, ServerChange(draining=True))


@command.command()
@data_option
@click.argument("name")
def resume(data: Path, name: str) -> None:
    """Give the server NAME clients again."""
    from appliance.control.schema import ServerChange

    _change(data, name, ServerChange(draining=False))


def _change(data: Path, name: str, change: ServerChange) -> None:
    with node_errors():
        view = node_client(data).change_server(name, change)
    click.echo(balance_text(view))


def balance_text(view: BalanceView) -> str:
    """The balancer for people."""
    where = f"listens at {', '.join(view.listening)}" if view.listening else "listens nowhere now"
    lines = [
        f"Balancer, {view.algorithm}: {where}",
        f"  {counted(view.clients, 'client')} now, {view.refused} found no server",
        "",
        columns([_row(server) for server in view.servers], _HEADS),
    ]
    return "\n".join(lines)


def _row(server: ServerView) -> tuple[str, ...]:
    marks = [word for word, is_so in (("own", server.own), ("backup", server.backup)) if is_so]
    name = f"{server.name} ({', '.join(marks)})" if marks else server.name
    state = f"{server.state} {time_text(server.since)}" if _told_by_checks(server) else server.state
    return (
        name,
        state,
        _weight_text(server),
        f"{server.connections} of {server.limit}",
        str(server.served),
        str(server.missed),
        _check_text(server),
    )


def _weight_text(server: ServerView) -> str:
    if server.weight == server.configured:
        return str(server.weight)
    return f"{server.weight} (node.toml: {server.configured})"


def _told_by_checks(server: ServerView) -> bool:
    return server.state in ("up", "down")


def _check_text(server: ServerView) -> str:
    if server.error:
        return f"{server.check}: {safe(server.error)}"
    if server.checked is None:
        return f"{server.check}: not yet"
    return f"{server.check}: passed"
