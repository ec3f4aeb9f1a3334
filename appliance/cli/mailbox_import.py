"""`twinpost mailbox import`: mbox and Maildir into a mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import counted, safe, show_json

_TELL = 200


@click.command("import")
@data_option
@json_option
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
def import_(data: Path, as_json: bool, name: str, path: Path) -> None:
    """Copy the messages in PATH, an mbox or a Maildir, into the mailbox NAME.

    A user must have the mailbox. What it holds already is left out, so the command can be run
    again after it was interrupted.
    """
    client = node_client(data)
    filed = known = 0
    with node_errors():
        there = set(client.digests(name))
        for content in _messages(path):
            digest = sha256(content).hexdigest()
            if digest not in there and client.file_mail(name, content):
                filed += 1
            else:
                known += 1
            there.add(digest)
            if not (filed + known) % _TELL:
                click.echo(f"{filed} copied, {known} there already …", err=True)
    if as_json:
        show_json({"copied": filed, "known": known})
    else:
        click.echo(f"{counted(filed, 'message')} copied to {safe(name)}, {known} there already")


def _messages(path: Path) -> Iterator[bytes]:
    """With CRLF at their line ends; raises CliError."""
    try:
        found = _maildir(path) if path.is_dir() else _mbox(path)
        yield from (content for content in found if content)
    except (OSError, EOFError) as error:
        raise CliError(f"{path}: {error}", "name an mbox or a Maildir", Exit.NO_INPUT) from None


def _maildir(path: Path) -> Iterator[bytes]:
    from appliance.cli.mbox import canonical

    folders = [path / part for part in ("cur", "new") if (path / part).is_dir()]
    if not folders:
        raise CliError(f"{path} is no Maildir", "it has cur and new in it", Exit.NO_INPUT)
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                yield canonical(file.read_bytes())


def _mbox(path: Path) -> Iterator[bytes]:
    from appliance.cli.mbox import open_mail, read_mbox

    with open_mail(path) as (file, _):
        yield from read_mbox(file)
