"""`twinpost restore FILE`: a new node from a backup."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import give_to_node, json_option
from appliance.cli.output import counted, safe, show_json

if TYPE_CHECKING:
    from appliance.backup.recovery import RecoveryKey


@click.command()
@json_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    required=True,
    metavar="NEWDIR",
    type=click.Path(path_type=Path),
    help="The data directory to make; it must not be there yet.",
)
@click.option(
    "--node-toml",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings of the new node, if it is to have others than the old one.",
)
def command(as_json: bool, file: Path, data: Path, node_toml: Path | None) -> Exit:
    """Make a new node in NEWDIR from the backup FILE; asks for the recovery key.

    Nothing is written before the whole backup was read and is sound. The node is a new one, with a
    new identity; no other node knows it yet. Mailboxes, settings and users are as they were. Mail
    that was on its way is held: it may have gone out since the backup was made. `twinpost queue
    release` sends it.
    """
    from appliance.services.restore import RestoreRefused, restore

    key = recovery_key()
    try:
        with config_errors(), _bad_backups():
            made = restore(file, key, data, node_toml, _tell(quiet=as_json))
        give_to_node(data)
    except RestoreRefused as error:
        raise CliError(str(error), error.hint, Exit.CANNOT_WRITE) from error
    if as_json:
        show_json(made)
    else:
        click.echo(f"{data} is a new node with all of node {safe(made.node)}'s backup:")
        click.echo(f"  {counted(made.messages, 'message')}, of which {made.held} are held")
        if made.lost:
            click.echo(f"  ! {counted(made.lost, 'message')} were damaged before the backup")
        click.echo(f"  → look at {data / 'node.toml'}, then `twinpost node --data {data}`")
        click.echo("  → docs/backup.md says what to do with the mail that is held")
    return Exit.NEGATIVE if made.lost else Exit.OK


def checked(file: Path, as_json: bool) -> None:
    """Decrypt a whole backup and say that it is sound; raises CliError."""
    from appliance.services.backup import read_through

    with _bad_backups():
        manifest, frames = read_through(file, recovery_key(), _tell(quiet=as_json))
    if as_json:
        show_json({"node": manifest.node, "frames": frames})
    else:
        click.echo(f"{safe(file.name)} is whole and can be restored: node {safe(manifest.node)}.")


def recovery_key() -> RecoveryKey:
    """The key as it is typed unseen, or the first line of a pipe; raises CliError."""
    from appliance.backup.recovery import RecoveryKey
    from appliance.config.groups import Mistyped

    if sys.stdin.isatty():
        text = click.prompt("Recovery key", hide_input=True, err=True)
    else:
        text = sys.stdin.readline(4096)
    try:
        return RecoveryKey.parse(text)
    except Mistyped as error:
        raise CliError(str(error), "look at the paper again", Exit.BAD_DATA) from error


@contextmanager
def _bad_backups() -> Iterator[None]:
    from appliance.backup.sealed import BadBackup

    try:
        yield
    except BadBackup as error:
        hint = "try another backup; nothing was written"
        raise CliError(f"this backup cannot be used: {error}", hint, Exit.BAD_DATA) from error


def _tell(quiet: bool) -> Callable[[str, int, int], None]:
    """Shows progress on a terminal."""
    show = not quiet and sys.stderr.isatty()

    def tell(stage: str, done: int, total: int) -> None:
        if show:
            share = f"{100 * done // total} %" if total else str(done)
            click.echo(f"\r{stage} {share}".ljust(40) + "\r", nl=False, err=True)

    return tell
