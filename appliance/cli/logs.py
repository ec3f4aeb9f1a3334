"""`twinpost logs`: the events of both nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, node_client
from appliance.cli.told import MOMENT, line

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.monitor.log.told import Told, Wanted

_PAGE = 500
_WAIT = 25


@click.command()
@data_option
@click.option("--event", "-e", "events", multiple=True, help="Only these events; may be repeated.")
@click.option("--node", default="", help="Only of this node.")
@click.option("--process", default="", help="Only of this process: mail, delivery, failover, …")
@click.option("--id", "queue_id", default="", help="Only about the message with this queue id.")
@click.option(
    "--severity",
    type=click.Choice(["info", "notice", "warning", "error"]),
    default="info",
    help="At least so grave.",
)
@click.option("--since", type=MOMENT, help="From then on: 2026-11-28, 2026-11-28T12:30, 2h, 7d.")
@click.option("--until", type=MOMENT, help="Until then.")
@click.option("--grep", "text", default="", help="Only with this text in them, in whatever case.")
@click.option("--limit", "-n", default=100, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(
    data: Path,
    events: tuple[str, ...],
    node: str,
    process: str,
    queue_id: str,
    severity: str,
    since: int | None,
    until: int | None,
    text: str,
    limit: int,
    follow: bool,
    as_json: bool,
) -> Exit:
    """Show what both nodes did, the oldest first.

    The other node's events come over the link, and stay here when it dies. See docs/logs.md.
    """
    from appliance.monitor.log.told import Wanted
    from appliance.monitor.severity import Severity

    wanted = Wanted(
        events=events,
        node=node,
        process=process,
        queue_id=queue_id,
        severity=Severity(severity),
        since=since,
        until=until,
        text=text,
    )
    client = node_client(data)
    with node_errors():
        found, end = latest(client, wanted, limit)
        _show(found, as_json)
        while follow:
            news = client.news(wanted, end, _PAGE, _WAIT)
            end = news.end
            _show(news.events, as_json)
    return Exit.OK if found else Exit.NEGATIVE


def latest(client: Client, wanted: Wanted, limit: int) -> tuple[Sequence[Told], str]:
    """The last `limit` events that fit, oldest first, and the place behind which new ones are."""
    found: list[Told] = []
    older = end = ""
    while len(found) < limit:
        page = client.events(wanted, min(_PAGE, limit - len(found)), older)
        end = end or page.end
        found += page.events
        older = page.older
        if not older:
            break
    return found[::-1], end


def _show(events: Sequence[Told], as_json: bool) -> None:
    for one in events:
        click.echo(json.dumps(msgspec.to_builtins(one)) if as_json else line(one))
