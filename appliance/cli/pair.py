"""`twinpost pair`: join two nodes, replace one, take over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors, node_errors
from appliance.cli.options import become_owner, data_option, json_option, node_client
from appliance.cli.output import safe, show_json, time_text

if TYPE_CHECKING:
    from appliance.config import Layout, NodeSettings
    from appliance.link.pairing import Paired


@click.group()
def command() -> None:
    """Join two nodes, replace one, take over."""


@command.command()
@data_option
def init(data: Path) -> None:
    """Show a code and wait for the other node.

    It joins with the code, within 10 minutes and 5 tries.
    """
    _invite(data, replacing=False)


@command.command()
@data_option
def replace(data: Path) -> None:
    """Pair with a new machine, not the dead one.

    Runs on the node that is left, as init does on a new one.
        What the dead node owned goes out from here. The dead node can never come back: wipe it.
    """
    _refuse_if_peer_lives(data)
    _invite(data, replacing=True)


@command.command()
@data_option
@click.option(
    "--at", "address", required=True, metavar="ADDRESS:PORT", help="Where the other node waits."
)
@click.option("--replacing", is_flag=True, help="Forget the peer this node had before.")
@click.argument("code", nargs=-1)
def join(data: Path, address: str, replacing: bool, code: tuple[str, ...]) -> None:
    """Join the node that shows CODE.

    CODE is asked for if not given.
    """
    from appliance.config.units import NumericEndpoint, Wrong
    from appliance.link.code import Mistyped, PairingCode
    from appliance.link.identity import KeyStore
    from appliance.link.pairing import join as join_pair

    typed = " ".join(code) or click.prompt("Code", err=True)
    try:
        parsed, endpoint = PairingCode.parse(typed), NumericEndpoint.parse(address)
    except Mistyped as error:
        raise click.UsageError(str(error)) from None
    except Wrong as error:
        raise click.UsageError(f"--at {error}: {error.hint}") from None
    layout, node = _open(data)
    with _pairing_errors():
        paired = asyncio.run(
            join_pair(
                KeyStore(layout.keys),
                parsed,
                endpoint,
                node.link.listen,
                replacing=replacing,
                source=node.link.listen.host,
            )
        )
    _finish(layout, paired)


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> int:
    """Show the peer, and how the link is.

    Exit code 1 if the link is not up.
    """
    from appliance.link.identity import KeyStore

    layout, _ = _open(data)
    with _pairing_errors():
        identity = KeyStore(layout.keys).identity()
    if identity.peer is None:
        if as_json:
            show_json({"node_id": identity.node_id.hex(), "peer": None, "link": None})
        else:
            click.echo(f"Node {identity.node_id.hex()} is not paired.")
            click.echo("  → twinpost pair init, then twinpost pair join on the other node")
        return Exit.NEGATIVE
    with node_errors():
        mail = node_client(data).status().mail
    link = mail.peer if mail else None
    if as_json:
        peer = {"node_id": identity.peer.node_id.hex(), "endpoint": identity.peer.endpoint}
        show_json({"node_id": identity.node_id.hex(), "peer": peer, "link": link})
    else:
        mode = f"{mail.mode} for {time_text(mail.mode_for)}" if mail else "mail process down"
        up = "up" if link and link.connected else "down"
        click.echo(f"Node {identity.node_id.hex()}: {mode}")
        click.echo(f"  peer {identity.peer.node_id.hex()} at {safe(identity.peer.endpoint)}")
        click.echo(f"  link {up}")
    return Exit.OK if link and link.connected else Exit.NEGATIVE


@command.command("take-over")
@data_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def take_over(data: Path, yes: bool) -> None:
    """Send the backlog without hearing the peer.

    The peer was not heard since this node started, and is dead as far as you know.
    The peer may have delivered some of it meanwhile: each such attempt is counted as a doubt.
    """
    client = node_client(data)
    if not yes:
        question = "The peer may have delivered some of this mail already. Send it all the same?"
        click.confirm(question, abort=True, err=True)
    with node_errors():
        click.echo(client.take_over())


def _open(data: Path) -> tuple[Layout, NodeSettings]:
    from appliance.config import open_layout

    become_owner(data)
    with config_errors():
        layout, node = open_layout(data)
    layout.create()
    return layout, node


def _invite(data: Path, replacing: bool) -> None:
    layout, node = _open(data)
    with _pairing_errors():
        paired = asyncio.run(_wait_for_joiner(layout, node, replacing))
    _finish(layout, paired)


async def _wait_for_joiner(layout: Layout, node: NodeSettings, replacing: bool) -> Paired:
    from appliance.link.identity import KeyStore
    from appliance.link.pairing import start_pairing

    store, link = KeyStore(layout.keys), node.link
    inviting = await start_pairing(store, link.pairing, link.listen, replacing=replacing)
    click.echo("On the other node run within 10 minutes:\n")
    click.echo(f"  twinpost pair join --at {link.pairing} {inviting.code}\n")
    click.echo("Waiting …", err=True)
    return await inviting.wait()


@contextmanager
def _pairing_errors() -> Iterator[None]:
    from appliance.link.ceremony import PairingFailed
    from appliance.link.identity import KeysDamaged

    try:
        yield
    except PairingFailed as error:
        raise CliError(str(error), error.hint, Exit.NEGATIVE) from error
    except KeysDamaged as error:
        raise CliError(str(error), error.hint, Exit.BAD_DATA) from error
    except OSError as error:
        hint = "check [link] pairing in node.toml, and that no other pairing is under way"
        raise CliError(str(error), hint, Exit.UNAVAILABLE) from error


def _finish(layout: Layout, paired: Paired) -> None:
    """Tell, and have a running node use its new keys."""
    from appliance.services.pairing import restart_node

    click.echo(f"Paired with node {paired.peer.node_id.hex()} at {safe(paired.peer.endpoint)}.")
    if restart_node(layout.lock):
        click.echo("The running node starts its services anew to use it.")


def _refuse_if_peer_lives(data: Path) -> None:
    with node_errors():
        mail = node_client(data).status().mail
    if mail is not None and mail.peer is not None and mail.peer.connected:
        raise CliError(
            "the peer is alive and connected",
            "stop it first; a node that comes back would own mail that this one has taken",
            Exit.NEGATIVE,
        )
