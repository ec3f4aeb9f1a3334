"""`twinpost failover`: how the virtual addresses are, and how they moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import columns, safe, show_json, span_text, time_text

if TYPE_CHECKING:
    from appliance.control.schema import Transition
    from appliance.ipc.failover import FailoverView

_LAST = 20


@click.group()
def command() -> None:
    """See which node holds the virtual addresses, and why."""


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> int:
    """Show virtual routers and heartbeat paths; exit code 1 if an address is on no node."""
    client = node_client(data)
    with node_errors():
        found = client.status()
    view = found.failover
    if view is None:
        raise _not_there(bool(found.virtual))
    if as_json:
        show_json(view)
    else:
        click.echo("\n".join(_view_lines(view)))
    served = all(one.held or one.peer_active for one in view.routers)
    return Exit.OK if served else Exit.NEGATIVE


@command.command()
@data_option
@json_option
@click.option("--last", default=_LAST, show_default=True, type=click.IntRange(1, 1000))
def history(data: Path, as_json: bool, last: int) -> None:
    """Show how the virtual routers of both nodes changed, the newest first."""
    client = node_client(data)
    with node_errors():
        transitions = client.history(last)
    if as_json:
        show_json({"transitions": transitions})
    elif transitions:
        heads = ("when", "node", "router", "from", "to", "after", "reason")
        click.echo(columns([_row(one) for one in transitions], heads))
    else:
        click.echo("No transition is known, as far as events go back.")


def _not_there(configured: bool) -> CliError:
    if configured:
        hint = "it is started again by itself; if it keeps failing, read log/failover.log"
        return CliError("the failover process does not answer", hint, Exit.TEMPORARY)
    hint = "see [failover] in docs/settings.md"
    return CliError("no address of this node moves", hint, Exit.NEGATIVE)


def _view_lines(view: FailoverView) -> Iterator[str]:
    if view.maintenance:
        yield "In maintenance: this node holds no address until `twinpost maintenance off`."
    for router in view.routers:
        addresses = ", ".join(router.addresses)
        yield f"Virtual router {router.vrid}: {router.state} for {time_text(router.since)}"
        yield f"  {addresses} {'on this node' if router.held else 'not here'}"
        lowered = f" of {router.configured}: {safe(router.why)}" if router.why else ""
        yield f"  priority {router.priority}{lowered}"
        yield f"  the other node {'is Active' if router.peer_active else 'is not Active'}"
    for path in view.paths:
        heard = "heard" if path.alive else "nothing heard"
        problem = f" ({safe(path.error)})" if path.error else ""
        yield f"Path {path.listen} to {path.peer}: {heard}{problem}"
    if view.peer is not None:
        could = "could serve" if view.peer.ready else "could not serve"
        yield f"The other node: {view.peer.mode}, {could}"
    elif not view.peer_alive:
        yield "The other node is not heard."
    else:
        yield "The other node is heard on the link only."
    told = [f"{number} {reason}" for reason, number in view.rejected.items() if number]
    yield f"Packets rejected: {', '.join(told) or 'none'}"
    for one in view.foreign:
        yield f"{one.address} is also answered for by {safe(one.hardware)}"


def _row(one: Transition) -> tuple[str, ...]:
    why = f" ({safe(one.why)})" if one.why else ""
    after = span_text(one.lasted)
    reason = f"{safe(one.reason)}{why}"
    return (one.at, safe(one.node), str(one.vrid), one.before, one.after, after, reason)
