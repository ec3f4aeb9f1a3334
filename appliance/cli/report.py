"""`twinpost report`: how the pair is, as a file for others."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, columns, safe, show_json
from appliance.cli.sticks import stick_folder, stick_option

_LARGEST = 64 << 20
"""Bytes of a report."""


@click.group()
def command() -> None:
    """Health reports: how the pair is, what happened, what will run out; signed, for export."""


@command.command()
@data_option
@json_option
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder on this machine, for example of a stick.",
)
@click.option("--redact", is_flag=True, help="Pseudonyms instead of names and addresses.")
@click.option("--name", default="", help="One of `report list`, instead of a new one.")
@stick_option
def export(
    data: Path, as_json: bool, to: Path | None, redact: bool, name: str, stick: str | None
) -> None:
    """Write a report to DIR or a stick: an HTML page that loads nothing, and the same as JSON."""
    if (to is None) is (stick is None):
        raise click.UsageError("name either a folder with --to or a stick with --stick")
    if redact and name:
        raise click.UsageError("a report that is kept has names: make a new one with --redact")
    client = node_client(data)
    folder = to or stick_folder(client, str(stick))
    with node_errors():
        made = client.report(name) if name else client.make_report(redact)
    paths = []
    for suffix, text in ((".html", made.page), (".json", made.json)):
        path = folder / (Path(made.name).name + suffix)
        _write(path, text.encode())
        paths.append(str(path))
    if as_json:
        show_json({"files": paths})
    else:
        for path_text in paths:
            click.echo(path_text)


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List the reports that the node has made by itself, one a week."""
    client = node_client(data)
    with node_errors():
        found = client.reports()
    if as_json:
        show_json({"reports": found})
        return
    rows = [(one.name, bytes_text(one.size), _at(one.at)) for one in found]
    click.echo(columns(rows, ("NAME", "SIZE", "MADE AT")) if rows else "No reports yet.")


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "key_file",
    required=True,
    metavar="PUB",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file that `report key export` wrote, brought here by another way.",
)
def verify(file: Path, key_file: Path) -> None:
    """Is FILE, a page or JSON, as the node made it? Needs no node."""
    from appliance.report.signature import NotGenuine, key_id, parsed
    from appliance.report.signature import verify as check

    try:
        key = parsed(key_file.read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        raise CliError(str(error), "see `twinpost report key export`", Exit.BAD_DATA) from error
    if file.stat().st_size > _LARGEST:
        raise CliError(f"{file} is no report: it is too large", "", Exit.BAD_DATA)
    try:
        check(file.read_bytes(), key)
    except NotGenuine as error:
        hint = "trust nothing in it"
        raise CliError(f"{file} is not genuine: {error}", hint, Exit.NEGATIVE) from error
    click.echo(f"{file} is as the node with key {key_id(key)} made it.")


@command.group()
def key() -> None:
    """The key that signs this node's reports."""


@key.command("export")
@data_option
@click.option(
    "--to", "path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), default=None
)
def export_key(data: Path, path: Path | None) -> None:
    """Print the public key, or write it to FILE: it verifies this node's reports."""
    client = node_client(data)
    with node_errors():
        text = client.report_key()
    if path is None:
        click.echo(text)
    else:
        _write(path, text.encode() + b"\n")
        click.echo(str(path))


@command.command()
@data_option
@click.argument("pseudonym")
def reveal(data: Path, pseudonym: str) -> None:
    """Say what PSEUDONYM in a report of this node stands for."""
    client = node_client(data)
    with node_errors():
        click.echo(safe(client.reveal(pseudonym)))


def _write(path: Path, content: bytes) -> None:
    """The whole file, or none under its name."""
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _at(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return "at no time"
