"""`twinpost queue hold|release|retry|redirect|remove`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import counted, safe, show_json
from appliance.cli.queue_filter import entries, filter_options, queue_filter

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.control.schema import Selection
    from appliance.mail.views import CommandResult, QueueFilter

_BATCH = 200
"""Messages in one request: one group commit on both nodes."""


@dataclass
class _Tally:
    messages: int = 0
    recipients: int = 0
    failed: list[CommandResult] = field(default_factory=list)

    def add(self, results: Iterable[CommandResult]) -> None:
        for result in results:
            if result.error:
                self.failed.append(result)
            elif result.changed:
                self.messages += 1
                self.recipients += result.changed


def _change(action: str, text: str, done: str) -> click.Command:
    """A command that does `action` to the messages named, or to all that fit a filter."""

    @click.command(action, help=f"{text}\n\nA message is named by ID, one recipient of it by ID/N.")
    @data_option
    @json_option
    @click.option("--all", "everything", is_flag=True, help="All messages that fit the filter.")
    @filter_options
    @click.option("--yes", is_flag=True, hidden=action != "remove", help="Don't ask.")
    @click.option(
        "--to",
        "address",
        default="",
        hidden=action != "redirect",
        metavar="ADDRESS",
        help="The new recipient.",
    )
    @click.argument("queue_ids", nargs=-1, metavar="[ID[/N]]...")
    def command(
        data: Path,
        as_json: bool,
        everything: bool,
        status: tuple[str, ...],
        sender: str,
        recipient: str,
        yes: bool,
        address: str,
        queue_ids: tuple[str, ...],
    ) -> int:
        wanted = queue_filter(status, sender, recipient)
        _check_usage(action, everything, wanted, address, queue_ids)
        client = node_client(data)
        with node_errors():
            chosen: Iterable[Selection] = map(_target, queue_ids)
            if everything:
                chosen = _matching(client, wanted)
            if action == "remove" and not yes:
                chosen = _confirmed(chosen)
            tally = _carry_out(client, action, chosen, address)
        return _report(tally, done, as_json)

    return command


def _check_usage(
    action: str, everything: bool, wanted: QueueFilter, address: str, queue_ids: Sequence[str]
) -> None:
    filtered = bool(wanted.status or wanted.sender or wanted.recipient)
    if everything and queue_ids:
        raise click.UsageError("name messages or say --all, not both")
    if not everything and not queue_ids:
        raise click.UsageError("name messages, or say --all (with --status, --sender, --recipient)")
    if filtered and not everything:
        raise click.UsageError("--status, --sender and --recipient go with --all")
    if action == "redirect" and not address:
        raise click.UsageError("say where to: --to ADDRESS")


def _target(text: str) -> Selection:
    from appliance.control.schema import Selection

    queue_id, slash, index = text.partition("/")
    if slash and not (index.isascii() and index.isdecimal()):
        raise click.UsageError(f"{text!r}: after the / comes a recipient's number, from 0")
    return Selection(queue_id.upper(), (int(index),) if slash else None)


def _matching(client: Client, wanted: QueueFilter) -> Iterator[Selection]:
    from appliance.control.schema import Selection

    for entry in entries(client, wanted, 1000):
        yield Selection(entry.queue_id, tuple(one.index for one in entry.recipients))


def _confirmed(targets: Iterable[Selection]) -> Iterable[Selection]:
    chosen = list(targets)
    if not sys.stdin.isatty():
        raise CliError(
            "remove asks before it acts, and there is nobody to ask", "say --yes", Exit.USAGE
        )
    click.confirm(
        f"Remove {counted(len(chosen), 'message')} for good, without telling the senders?",
        abort=True,
        err=True,
    )
    return chosen


def _carry_out(client: Client, action: str, targets: Iterable[Selection], address: str) -> _Tally:
    tally = _Tally()
    remaining = iter(targets)
    while batch := list(itertools.islice(remaining, _BATCH)):
        tally.add(client.command(action, batch, address))
    return tally


def _report(tally: _Tally, done: str, as_json: bool) -> int:
    if as_json:
        show_json(
            {
                "messages": tally.messages,
                "recipients": tally.recipients,
                "failed": tally.failed,
            }
        )
    else:
        recipients = counted(tally.recipients, "recipient")
        click.echo(f"{recipients} of {counted(tally.messages, 'message')} {done}")
        for result in tally.failed:
            hint = f" → {safe(result.hint)}" if result.hint else ""
            click.echo(f"{safe(result.queue_id)}: {safe(result.error)}{hint}", err=True)
    return Exit.NEGATIVE if tally.failed or not tally.messages else Exit.OK


CHANGES = (
    _change("hold", "Keep messages in the queue until they are released.", "held"),
    _change("release", "Let held messages go out.", "released"),
    _change("retry", "Try deferred messages again now.", "due now"),
    _change("redirect", "Send messages to another recipient.", "redirected"),
    _change("remove", "Remove messages from the queue; nobody is told.", "removed"),
)
