"""`twinpost config export|diff|history`: what the site says, and what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, columns, safe, show_json

if TYPE_CHECKING:
    from appliance.config.site_document import Change
    from appliance.mail.views import SiteVersionView

MARK = "# Made from version "
"""Begins the line of an export that says which version it was."""
_SHORT = 10


def short(version: SiteVersionView) -> str:
    """A version for people: "version 12 (1f2e3d4c5b)"."""
    return f"version {version.number} ({version.id[:_SHORT]})"


def compared(before: Mapping[str, object], after: Mapping[str, object]) -> Sequence[Change]:
    """What differs, by key."""
    from appliance.config.site_document import changes

    return changes(before, after)


def show_changes(found: Sequence[Change]) -> None:
    """One line for each setting that differs: + set, - no longer set, ~ changed."""
    for one in found:
        if one.before is None:
            click.echo(safe(f"+ {one.key} = {one.after}"))
        elif one.after is None:
            click.echo(safe(f"- {one.key} = {one.before}"))
        else:
            click.echo(safe(f"~ {one.key} = {one.before} → {one.after}"))


@click.command()
@click.option("--version", "wanted", metavar="VERSION", help="Not the one in force.")
@click.option(
    "--to",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there instead of to standard output.",
)
@data_option
@json_option
def export(wanted: str | None, target: Path | None, data: Path, as_json: bool) -> None:
    """Write the site as TOML: change it, then import it."""
    from appliance.config import toml
    from appliance.mail.views import SiteDocument

    client = node_client(data)
    with node_errors():
        told = client.site_version(wanted) if wanted else client.site()
    if as_json:
        show_json(told)
        return
    version = told.version if isinstance(told, SiteDocument) else told.head
    mark = f"{MARK}{version.number}: {version.id}\n" if version is not None else ""
    text = mark + toml.written(told.document)
    if target is None:
        # As it is: only TOML that reads back is worth anything. Its strings are escaped.
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"{target}: {error.strerror}", "name another file", Exit.CANNOT_WRITE
        ) from None


@click.command()
@click.argument("before", required=False, metavar="[A]")
@click.argument("after", required=False, metavar="[B]")
@data_option
@json_option
def diff(before: str | None, after: str | None, data: Path, as_json: bool) -> None:
    """Show what version B says that A did not.

    Without B: what is in force. Without A: what the latest version changed. A version is named by
    its number, the beginning of its id, or "head".
    """
    client = node_client(data)
    with node_errors():
        new = client.site_version(after or "head")
        if before is not None:
            old: Mapping[str, object] = client.site_version(before).document
        elif new.version.parent:
            old = client.site_version(new.version.parent).document
        else:
            old = {}
    found = compared(old, new.document)
    if as_json:
        show_json({"changes": list(found)})
    elif found:
        show_changes(found)
    else:
        click.echo("No difference.")


@click.command()
@data_option
@json_option
def history(data: Path, as_json: bool) -> None:
    """List the versions of the site, the latest first."""
    client = node_client(data)
    with node_errors():
        found = client.site_history()
    if as_json:
        show_json({"versions": list(found)})
        return
    if not found:
        click.echo("There is no version yet: site.toml applies.")
        return
    rows = [
        (
            str(one.number),
            one.id[:_SHORT],
            _when(one.at),
            safe(one.author, CELL) or "site.toml",
            safe(one.node, CELL),
            {"head": "in force", "branch": "BRANCH"}.get(one.standing, ""),
            safe(one.comment, CELL),
        )
        for one in found
    ]
    click.echo(columns(rows, ["NUMBER", "ID", "WHEN", "BY", "ON", "", "COMMENT"]))
    if any(one.standing == "branch" for one in found):
        click.echo("\nA branch was made while the nodes were apart, and does not apply.")
        click.echo("`config diff head ID` shows what it says; `config rollback ID` takes it,")
        click.echo("`config settle` keeps what is in force.")


def _when(at: int) -> str:
    """Wall-clock milliseconds in UTC; a clock can say anything."""
    if not at:
        return ""
    try:
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return "?"


COMMANDS = (export, diff, history)
