"""`twinpost queue`: look at the queue and change it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, bytes_text, columns, counted, safe, show_json, time_text
from appliance.cli.queue_changes import CHANGES
from appliance.cli.queue_filter import entries, filter_options, queue_filter

if TYPE_CHECKING:
    from appliance.mail.views import MessageStory, QueueEntry, RecipientView


@click.group()
def command() -> None:
    """Look at the queue and change it."""


for _change in CHANGES:
    command.add_command(_change)


@command.command("list")
@data_option
@json_option
@filter_options
@click.option("--ended", is_flag=True, help="Also what has left the queue.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
def list_(
    data: Path,
    as_json: bool,
    status: tuple[str, ...],
    sender: str,
    recipient: str,
    ended: bool,
    limit: int,
) -> None:
    """List messages, newest first."""
    client = node_client(data)
    wanted = queue_filter(status, sender, recipient, ended)
    with node_errors():
        found = list(itertools.islice(entries(client, wanted, min(limit + 1, 1000)), limit + 1))
        paused = [] if as_json else [safe(one.what) for one in client.routes().pauses]
    more, found = len(found) > limit, found[:limit]
    if as_json:
        show_json({"entries": found, "more": more})
        return
    if not found:
        click.echo("Nothing fits." if status or sender or recipient else "The queue is empty.")
        return
    heads = ("QUEUE ID", "AGE", "SIZE", "STATUS", "SENDER", "RECIPIENTS")
    click.echo(columns([_row(entry) for entry in found], heads))
    if paused:
        click.echo(f"Paused: {', '.join(paused)}; see `twinpost route list`", err=True)
    if more:
        click.echo(f"… and more: the first {limit} are shown, --limit shows more", err=True)


@command.command()
@data_option
@json_option
@click.argument("queue_id")
def show(data: Path, as_json: bool, queue_id: str) -> None:
    """Show one message and everything that happened to it."""
    client = node_client(data)
    with node_errors():
        story = client.message(queue_id.upper())
    if as_json:
        show_json(story)
    else:
        click.echo(story_text(story))


@command.command()
@data_option
@click.argument("queue_ids", nargs=-1, required=True, metavar="QUEUE_ID...")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write ID.eml files there; without it one message goes to standard output.",
)
def export(data: Path, queue_ids: tuple[str, ...], folder: Path | None) -> None:
    """Write the content of messages as they were accepted."""
    if folder is None and len(queue_ids) > 1:
        raise click.UsageError("several messages need --to DIR")
    client = node_client(data)
    with node_errors():
        if folder is None:
            for block in client.content(queue_ids[0].upper()):
                sys.stdout.buffer.write(block)
            return
        folder.mkdir(parents=True, exist_ok=True)
        for queue_id in map(str.upper, queue_ids):
            # An id has letters and digits only, or the node knows no such message.
            blocks = client.content(queue_id)
            first = next(blocks, b"")
            with (folder / f"{queue_id}.eml").open("wb") as file:
                for block in itertools.chain([first], blocks):
                    file.write(block)
    click.echo(f"{counted(len(queue_ids), 'message')} written to {folder}")


def _row(entry: QueueEntry) -> Sequence[str]:
    statuses = list(dict.fromkeys(str(one.status) for one in entry.recipients))
    to = ", ".join(safe(one.address, CELL) for one in entry.recipients[:3])
    hidden = len(entry.recipients[3:]) + entry.others
    if hidden:
        to += f" and {hidden} more"
    sender = safe(entry.sender, CELL) or "<>"
    age, size = time_text(entry.age), bytes_text(entry.size)
    return entry.queue_id, age, size, ",".join(statuses), sender, to


def story_text(story: MessageStory) -> str:
    """A message's story for people."""
    lines = [
        f"Message {story.queue_id}, {bytes_text(story.size)}, {time_text(story.age)} old",
        f"  from <{safe(story.sender)}>, received from {safe(story.helo)} [{safe(story.client)}]",
        f"  owned by node {safe(story.owner)}",
    ]
    if story.envid:
        lines.append(f"  envelope id {safe(story.envid)}")
    for recipient in story.recipients:
        lines += _recipient_lines(recipient)
    if story.steps:
        lines.append("")
    for step in story.steps:
        who = ",".join(map(str, step.recipients))
        about = f" [{who}]" if who else ""
        detail = f": {safe(step.detail)}" if step.detail else ""
        lines.append(
            f"  {time_text(step.ago):>12} ago  {safe(step.node)}  {step.kind}{about}{detail}"
        )
    return "\n".join(lines)


def _recipient_lines(recipient: RecipientView) -> Iterator[str]:
    redirected = ""
    if recipient.original != recipient.address:
        redirected = f" (was <{safe(recipient.original)}>)"
    yield f"  [{recipient.index}] <{safe(recipient.address)}>{redirected}: {recipient.status}"
    told = []
    if recipient.tries:
        told.append(f"tried {counted(recipient.tries, 'time')}")
    if recipient.due_in is not None:
        due = f"next try in {time_text(recipient.due_in)}"
        told.append(due if recipient.due_in > 0 else "due now")
    if recipient.mailbox:
        told.append(f"in mailbox {safe(recipient.mailbox)}")
    if recipient.deliveries > 1:
        told.append(f"delivered {recipient.deliveries} times")
    if recipient.doubts:
        told.append(counted(recipient.doubts, "doubtful attempt"))
    if told:
        yield f"      {', '.join(told)}"
    if recipient.reply:
        source = f" ({safe(recipient.remote)})" if recipient.remote else ""
        yield f"      last reply{source}: {safe(recipient.reply)}"
