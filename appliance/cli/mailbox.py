"""`twinpost mailbox`: look at mailboxes and export them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.mailbox_import import import_
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, bytes_text, columns, counted, safe, show_json

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.mail.views import MailboxEntry

Write = Callable[["MailboxEntry", Iterator[bytes]], object]


@click.group()
def command() -> None:
    """Look at mailboxes, export them, and import mail into them."""


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List the mailboxes that hold mail."""
    client = node_client(data)
    with node_errors():
        found = client.mailboxes()
    if as_json:
        show_json({"mailboxes": found})
    elif found:
        rows = [(safe(one.name, CELL), str(one.messages), bytes_text(one.size)) for one in found]
        click.echo(columns(rows, ("MAILBOX", "MESSAGES", "SIZE")))
    else:
        click.echo("No mailbox holds mail yet.")


@command.command()
@data_option
@json_option
@click.argument("name")
def show(data: Path, as_json: bool, name: str) -> None:
    """List the messages of one mailbox, oldest first."""
    client = node_client(data)
    with node_errors():
        found = list(_entries(client, name))
    if as_json:
        show_json({"entries": found})
    elif found:
        rows = [
            (
                entry.queue_id,
                _date(entry.received_at),
                bytes_text(entry.size),
                safe(entry.sender, CELL) or "<>",
            )
            for entry in found
        ]
        click.echo(columns(rows, ("QUEUE ID", "RECEIVED", "SIZE", "SENDER")))
    else:
        click.echo(f"{safe(name)} is empty.")


@command.command()
@data_option
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(("mboxrd", "maildir", "eml")),
    default="mboxrd",
    show_default=True,
    help="One file, a Maildir, or a folder with a file for each message.",
)
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="The file or folder to write; it must not exist yet.",
)
def export(data: Path, name: str, form: str, target: Path) -> None:
    """Write the messages of a mailbox to files.

    Each begins with the Return-Path of final delivery.
    """
    if target.exists():
        raise CliError(f"{target} exists already", "name another one", Exit.CANNOT_WRITE)
    client = node_client(data)
    with node_errors(), ExitStack() as stack:
        number = 0
        write = _writer(form, target, stack)
        for entry in _entries(client, name):
            write(entry, _content(client, entry))
            number += 1
    click.echo(f"{counted(number, 'message')} of {safe(name)} written to {target}")


command.add_command(import_)


def _entries(client: Client, name: str) -> Iterator[MailboxEntry]:
    for page in client.mailbox(name):
        yield from page.entries


def _content(client: Client, entry: MailboxEntry) -> Iterator[bytes]:
    from appliance.mail.trace import return_path

    yield return_path(entry.sender)
    yield from client.content(entry.queue_id)


def _writer(form: str, target: Path, stack: ExitStack) -> Write:
    from appliance.cli.mbox import Maildir, mbox_entry

    if form == "mboxrd":
        file = stack.enter_context(target.open("xb"))
        return lambda entry, blocks: file.writelines(
            mbox_entry(blocks, entry.sender, entry.received_at)
        )
    if form == "maildir":
        maildir = Maildir(target)
        return lambda entry, blocks: maildir.add(
            f"{entry.received_at // 1000}.{entry.queue_id}.twinpost", blocks
        )
    target.mkdir(parents=True)
    return lambda entry, blocks: _write(target / f"{entry.queue_id}.eml", blocks)


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    with path.open("xb") as file:
        file.writelines(blocks)


def _date(received_at: int) -> str:
    """Wall-clock milliseconds as people read them, in UTC."""
    return datetime.fromtimestamp(received_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
