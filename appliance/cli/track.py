"""`twinpost track`: where is my mail?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, safe, show_json
from appliance.cli.told import MOMENT, line
from appliance.monitor.log.entry import rfc3339

if TYPE_CHECKING:
    from appliance.control.schema_events import Tracked


@click.command()
@data_option
@json_option
@click.argument("query", default="")
@click.option("--from", "sender", default="", metavar="ADDRESS", help="Its sender.")
@click.option("--to", "recipient", default="", metavar="ADDRESS", help="One of its recipients.")
@click.option("--since", type=MOMENT, help="Accepted from then on: 2026-11-28, 2h, 7d.")
@click.option("--until", type=MOMENT, help="Accepted until then.")
@click.option("--limit", "-n", default=10, show_default=True, type=click.IntRange(1, 100))
def command(
    data: Path,
    as_json: bool,
    query: str,
    sender: str,
    recipient: str,
    since: int | None,
    until: int | None,
    limit: int,
) -> Exit:
    """Tell the whole story of mail, on both nodes.

    QUERY is a queue id, or a Message-ID with its <>; without it say --from or --to.
    """
    if not (query or sender or recipient):
        raise CliError("which mail?", "a queue id, a <Message-ID>, --from or --to", Exit.USAGE)
    message = query.startswith("<") or "@" in query
    client = node_client(data)
    found: list[Tracked] = []
    older = ""
    with node_errors():
        while len(found) < limit:
            page = client.track(
                queue_id="" if message else query,
                message_id=query if message else "",
                sender=sender,
                recipient=recipient,
                since=since,
                until=until,
                limit=limit,
                older=older,
            )
            found += page.messages
            older = page.older
            if not older:
                break
    found = found[:limit]
    if as_json:
        show_json({"messages": found})
    else:
        for one in found:
            click.echo("\n".join(story_lines(one)))
        if not found:
            click.echo("No such mail is known, as far as events go back.")
    return Exit.OK if found else Exit.NEGATIVE


def story_lines(message: Tracked) -> Iterator[str]:
    """One message: where it is now, and each step on both nodes."""
    yield safe(message.queue_id)
    story, accepted = message.story, message.accepted
    if story is not None:
        size, owner = bytes_text(story.size), safe(story.owner)
        yield f"  from {safe(story.sender) or '<>'}, {size}, node {owner}"
        for one in story.recipients:
            reply = f": {safe(one.reply)}" if one.reply else ""
            yield f"  to {safe(one.address)} – {one.status}{reply}"
    elif accepted is not None:
        to = accepted.fields.get("to")
        names = ", ".join(map(safe, map(str, to))) if isinstance(to, list) else "?"
        yield f"  from {safe(str(accepted.fields.get('sender', ''))) or '<>'} to {names}"
        yield "  no longer in the spool: it has come to its end"
    for _, told in sorted(_steps(message)):
        yield f"    {told}"
    yield ""


def _steps(message: Tracked) -> Iterator[tuple[str, str]]:
    """(when, what) of each step: events, and what the journal says that no event does."""
    for event in message.events:
        yield event.at, line(event)
    now = time.time_ns() // 1_000_000
    for step in message.story.steps if message.story else ():
        at = rfc3339(now - step.ago)
        detail = f" {safe(step.detail)}" if step.detail else ""
        yield at, f"{at}   {f'{safe(step.node)}/journal':<12} {safe(step.kind)}{detail}"
