"""`twinpost route`: where mail goes, and what is paused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import columns, counted, safe, show_json, time_text

if TYPE_CHECKING:
    from appliance.control.schema import RouteList, RouteTest, RouteView
    from appliance.ipc.delivery import DeliveryView, HopView

_ALONE = click.option(
    "--while-alone", is_flag=True, help="Also while this node is without the other."
)


@click.group()
def command() -> None:
    """See which way mail takes and how next hops are; pause and resume them.

    A pause is the site's: both nodes keep to it until it is lifted, whatever fails over. Mail for
    what is paused is accepted and waits; what outlives its time meanwhile is returned, once the
    mail before it in the queue is looked at.
    """


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """Show the site's routes, and what is paused."""
    with node_errors():
        found = node_client(data).routes()
    if as_json:
        show_json(found)
    else:
        click.echo(routes_text(found))


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show next hops and connections of this node: what is up, what rests, the cache's hits."""
    with node_errors():
        view = node_client(data).routes_status()
    if as_json:
        show_json(view)
    else:
        click.echo(delivery_text(view))


@command.command()
@data_option
@json_option
@click.argument("address")
def test(data: Path, as_json: bool, address: str) -> None:
    """Say which way mail for ADDRESS takes, and why."""
    with node_errors():
        found = node_client(data).test_route(address)
    if as_json:
        show_json(found)
    else:
        click.echo("\n".join(_test_lines(found)))


@command.command()
@data_option
@_ALONE
@click.argument("what", metavar="DOMAIN|HOST:PORT")
@click.option("--reason", default="", help="For whoever finds it paused.")
def pause(data: Path, while_alone: bool, what: str, reason: str) -> None:
    """Begin no more mail for a recipient domain or a next hop; what is under way ends."""
    _change(data, what, True, reason, while_alone)


@command.command()
@data_option
@_ALONE
@click.argument("what", metavar="DOMAIN|HOST:PORT")
def resume(data: Path, while_alone: bool, what: str) -> None:
    """Let mail go on."""
    _change(data, what, False, "", while_alone)


def _change(data: Path, what: str, paused: bool, reason: str, while_alone: bool) -> None:
    from appliance.control.schema import PauseChange

    change = PauseChange(what=what, paused=paused, reason=reason, while_alone=while_alone)
    with node_errors():
        found = node_client(data).pause(change)
    click.echo(_pauses_text(found))


def routes_text(found: RouteList) -> str:
    """Routes and pauses for people."""
    lines = []
    if found.routes:
        rows = [(one.key, one.transport, _to(one)) for one in found.routes]
        lines += [columns(rows, ("ROUTE", "TRANSPORT", "TO")), ""]
    return "\n".join([*lines, _pauses_text(found)])


def _to(route: RouteView) -> str:
    if route.pool is not None:
        return f"pool {route.pool}"
    if route.mx:
        return f"the hosts that DNS names (tls {route.tls})"
    if route.next_hops:
        return f"{', '.join(route.next_hops)} (tls {route.tls})"
    return route.mailbox or "-"


def _pauses_text(found: RouteList) -> str:
    if not found.pauses:
        return "Nothing is paused."
    rows = [(safe(one.what), safe(one.by), safe(one.reason) or "-") for one in found.pauses]
    return columns(rows, ("PAUSED", "BY", "REASON"))


def _test_lines(found: RouteTest) -> Iterator[str]:
    yield f"<{safe(found.address)}>: {found.transport}"
    yield f"  because {safe(found.why)}"
    if found.next_hops:
        pool = f"pool {found.pool}: " if found.pool else ""
        yield f"  to {pool}{', '.join(found.next_hops)}"
    if found.tls:
        yield f"  with tls {', '.join(found.tls)}"
    if found.mailbox is not None:
        yield f"  in mailbox {safe(found.mailbox)}"
    if found.reply:
        yield f"  it bounces: {safe(found.reply)}"
    if found.paused:
        yield f"  paused now: {', '.join(map(safe, found.paused))}"


def delivery_text(view: DeliveryView) -> str:
    """Next hops and connections for people."""
    share = f" ({100 * view.hits // view.transactions} %)" if view.transactions else ""
    lines = [
        f"{counted(view.connections, 'connection')} to next hops, {view.idle} of them idle",
        f"  since start: {counted(view.transactions, 'transaction')}, {view.hits}{share} over an"
        f" open connection; {view.opened} opened, {view.failed} failed",
    ]
    if view.hops:
        heads = ("NEXT HOP", "STATE", "OPEN", "IDLE", "LIMIT", "A MINUTE", "HITS", "WHY")
        lines += ["", columns([_hop_row(hop) for hop in view.hops], heads)]
    for destination in view.destinations:
        members = ", ".join(
            f"{one.name} {one.state}{' (backup)' if one.backup else ''}"
            for one in destination.members
        )
        waiting = f"{destination.waiting} wait" if destination.waiting else "nothing waits"
        lines += ["", f"{safe(destination.name)}: {waiting}", f"  {members}"]
    return "\n".join(lines)


def _hop_row(hop: HopView) -> tuple[str, ...]:
    state = f"{hop.state} {time_text(hop.rest)}" if hop.rest else hop.state
    return (
        safe(hop.name),
        state,
        str(hop.connections),
        str(hop.idle),
        str(hop.limit),
        "-" if hop.messages_per_minute is None else str(hop.messages_per_minute),
        f"{hop.hits} of {hop.transactions}",
        safe(hop.reason) or "-",
    )
