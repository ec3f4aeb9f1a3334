"""`twinpost backup`: backups of a node, and the recovery keys that can read them."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, columns, counted, safe, show_json, span_text
from appliance.cli.people_import import while_alone_option
from appliance.cli.sticks import stick_folder, stick_option

if TYPE_CHECKING:
    from appliance.control.schema_backups import BackupRun

_LOOK_EVERY = 0.5


@click.group()
def command() -> None:
    """Backups: encrypted files with all that a node's spool holds, made while it works.

    They can be read with a recovery key only, which is on paper. See `twinpost restore`.
    """


@command.command()
@data_option
@json_option
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder on this machine, mostly of a stick; else the one in node.toml.",
)
@stick_option
def create(data: Path, as_json: bool, to: Path | None, stick: str | None) -> Exit:
    """Make a backup, read it back, and remove the oldest ones beyond backup.keep."""
    client = node_client(data)
    if stick is not None:
        to = stick_folder(client, stick)
    with node_errors():
        client.make_backup(str(to.absolute()) if to else "")
    run = _wait(data, quiet=as_json)
    if as_json:
        show_json(run)
    elif run.ok:
        click.echo(
            f"{safe(run.name)}: {counted(run.messages, 'message')}, {bytes_text(run.size)},"
            f" {span_text(run.took)}; whole, as read back"
        )
        for name in run.removed:
            click.echo(f"  removed {safe(name)}")
        if run.damaged:
            click.echo(f"  ! {counted(run.damaged, 'place')} could not be read: see docs/backup.md")
    return _answer(run, as_json)


@command.command()
@data_option
@json_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key", is_flag=True, help="Ask for the recovery key and decrypt everything, on no node."
)
def verify(data: Path, as_json: bool, file: Path, key: bool) -> Exit:
    """Read a backup from its first byte to the last: is it whole, and this site's?"""
    if key:
        from appliance.cli.restore import checked

        checked(file, as_json)
        return Exit.OK
    client = node_client(data)
    with node_errors():
        client.verify_backup(str(file.absolute()))
    run = _wait(data, quiet=as_json)
    if as_json:
        show_json(run)
    elif run.ok:
        click.echo(f"{safe(file.name)} is whole and was made by a node of this site.")
    return _answer(run, as_json)


@command.command("list")
@data_option
@json_option
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def list_(data: Path, as_json: bool, folder: Path | None) -> Exit:
    """List the backups in FOLDER, or in the one that node.toml names."""
    client = node_client(data)
    with node_errors():
        found = client.backups(str(folder.absolute()) if folder else "")
    if as_json:
        show_json(found)
        return Exit.OK
    if found.running is not None:
        click.echo(f"Under way: {_progress(found.running)}")
    if found.files is None:
        raise CliError(safe(found.problem), "name a folder that is there", Exit.NEGATIVE)
    rows = [
        (
            safe(one.name),
            bytes_text(one.size),
            _at(one.at) if one.at else "",
            safe(one.problem) or ", ".join(map(safe, one.recovery_keys)),
        )
        for one in found.files
    ]
    heads = ("NAME", "SIZE", "MADE AT", "FOR RECOVERY KEY")
    click.echo(columns(rows, heads) if rows else f"No backups in {safe(found.target)}.")
    return Exit.OK


@command.group()
def key() -> None:
    """Recovery keys: without one no backup can be read, not even by the node that made it."""


@key.command("create")
@data_option
@click.option("--comment", default="", help='Where the paper lies: "safe on the bridge".')
@while_alone_option
def create_key(data: Path, comment: str, while_alone: bool) -> None:
    """Make a recovery key and print it, this once: the site does not keep it."""
    import os

    from appliance.backup.recovery import SECRET_LENGTH, RecoveryKey
    from appliance.control.schema_backups import NewRecoveryKey

    client = node_client(data)
    made = RecoveryKey(os.urandom(SECRET_LENGTH))
    recipient = made.recipient()
    with node_errors():
        client.add_recovery_key(
            NewRecoveryKey(recipient.public, recipient.maker, comment, while_alone)
        )
    click.echo(f"Recovery key {recipient.id}. Write it on paper, and keep it away from the nodes:")
    click.echo(f"\n    {made}\n")
    click.echo("Nobody can read a backup without it, and it is not shown again.")


@key.command("list")
@data_option
@json_option
def list_keys(data: Path, as_json: bool) -> None:
    """List the recovery keys that backups are made for."""
    client = node_client(data)
    with node_errors():
        found = client.recovery_keys()
    if as_json:
        show_json({"keys": found})
        return
    rows = [(one.id, _at(one.at), safe(one.by), safe(one.comment)) for one in found]
    click.echo(columns(rows, ("KEY", "MADE AT", "BY", "COMMENT")) if rows else "No recovery keys.")


@key.command("remove")
@data_option
@click.argument("id_", metavar="KEY")
@while_alone_option
def remove_key(data: Path, id_: str, while_alone: bool) -> None:
    """Make no more backups for a recovery key; those that there are stay readable with it."""
    client = node_client(data)
    with node_errors():
        click.echo(safe(client.remove_recovery_key(id_, while_alone)))


@command.command(hidden=True)
@data_option
@click.option("--keep", type=int, required=True)
@click.argument("what", type=click.Choice(["create", "verify"]))
@click.argument("path", type=click.Path(path_type=Path))
def work(data: Path, keep: int, what: str, path: Path) -> None:
    """What control starts: tells on standard output how far it is, as JSON lines."""
    from appliance.services.backup_work import work as begin

    begin(data, keep, what, path)


def _wait(data: Path, quiet: bool) -> BackupRun:
    """Until what is under way has ended."""
    client, width = node_client(data), 0
    show = not quiet and sys.stderr.isatty()
    while True:
        with node_errors():
            run = client.backup_run()
        if not run.running:
            if width:
                click.echo("\r" + " " * width + "\r", nl=False, err=True)
            return run
        if show:
            text = _progress(run)
            click.echo("\r" + text.ljust(width), nl=False, err=True)
            width = max(width, len(text))
        time.sleep(_LOOK_EVERY)


def _progress(run: BackupRun) -> str:
    of = f" of {run.total}" if run.total else ""
    share = f", {100 * run.done // run.total} %" if run.total else ""
    unit = "messages" if run.stage == "copying" else "bytes"
    return f"{run.stage or 'starting'} {run.done}{of} {unit}{share}"


def _answer(run: BackupRun, as_json: bool) -> Exit:
    if run.ok:
        return Exit.NEGATIVE if run.damaged else Exit.OK
    if as_json:
        return Exit.NEGATIVE
    raise CliError(safe(run.error), safe(run.hint), Exit.NEGATIVE)


def _at(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return "at no time"
