"""`twinpost config import|rollback|settle`: new versions of the site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.config_versions import MARK, compared, short, show_changes
from appliance.cli.errors import CliError, Exit, config_errors, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import safe, show_json

if TYPE_CHECKING:
    from appliance.config.site_document import Change
    from appliance.mail.views import SiteVersionView

Function = TypeVar("Function", bound=Callable[..., Any])


def _change_options(function: Function) -> Function:
    function = click.option("--comment", default="", help="Why, for the history.")(function)
    function = click.option(
        "--while-alone",
        is_flag=True,
        help="Also if the other node would not have it: two such changes make a branch.",
    )(function)
    return json_option(data_option(function))


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--replace", is_flag=True, help="Also if the site was changed since it was exported.")
@_change_options
def import_(
    file: Path,
    dry_run: bool,
    replace: bool,
    data: Path,
    as_json: bool,
    while_alone: bool,
    comment: str,
) -> None:
    """Make FILE the site of the pair; both nodes act on it at once.

    FILE is TOML, as `config export` writes it. It is checked first, and what changes is shown.
    """
    from appliance.config.document import parse
    from appliance.config.plain import sparse
    from appliance.config.site import SiteSettings
    from appliance.control.schema import ChangeSite

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file}: {error}", "name a file in UTF-8", Exit.NO_INPUT) from None
    with config_errors():
        document = sparse(parse(text, SiteSettings, str(file)))
    assert isinstance(document, dict)
    client = node_client(data)
    with node_errors():
        view = client.site()
        head = view.head.id if view.head else ""
        parent = head if replace else _made_from(text) or head
        changes = compared(view.document, document)
        if not as_json:
            show_changes(changes)
        if dry_run or not changes:
            _tell(view.head, changes, as_json)
            return
        made = client.change_site(ChangeSite(document, parent, comment, (), while_alone))
    _tell(made, changes, as_json)


@click.command()
@click.argument("version")
@_change_options
def rollback(version: str, data: Path, as_json: bool, while_alone: bool, comment: str) -> None:
    """Let an older VERSION, or a branch, apply again: as a new version.

    A branch that is taken so is settled.
    """
    from appliance.control.schema import ChangeSite

    client = node_client(data)
    with node_errors():
        view, wanted = client.site(), client.site_version(version)
        changes = compared(view.document, wanted.document)
        if not as_json:
            show_changes(changes)
        settles = (wanted.version.id,) if wanted.version.standing == "branch" else ()
        if not changes and not settles:
            _tell(view.head, changes, as_json)
            return
        why = comment or f"back to {short(wanted.version)}"
        head = view.head.id if view.head else ""
        made = client.change_site(ChangeSite(wanted.document, head, why, settles, while_alone))
    _tell(made, changes, as_json)


@click.command()
@_change_options
def settle(data: Path, as_json: bool, while_alone: bool, comment: str) -> None:
    """Keep what is in force, and put an end to all branches.

    Users that a branch disabled stay disabled, until a later version enables them.
    """
    from appliance.control.schema import ChangeSite

    client = node_client(data)
    with node_errors():
        view = client.site()
        if view.head is None or not view.branches:
            raise CliError("there is no branch", "see `twinpost config history`", Exit.NEGATIVE)
        settles = tuple(one.id for one in view.branches)
        why = comment or f"settles {', '.join(map(short, view.branches))}"
        made = client.change_site(
            ChangeSite(view.document, view.head.id, why, settles, while_alone)
        )
    _tell(made, (), as_json)


def _made_from(text: str) -> str:
    """The id of the version that an export says it was, "" if it does not say."""
    first, _, _ = text.partition("\n")
    _, _, id_ = first.removeprefix(MARK).partition(": ")
    return id_.strip() if first.startswith(MARK) else ""


def _tell(version: SiteVersionView | None, changes: Sequence[Change], as_json: bool) -> None:
    if as_json:
        show_json({"version": version, "changes": list(changes)})
    elif version is None:
        click.echo("site.toml is in force.")
    elif version.standing == "branch":
        text = f"{short(version)} does not apply: the other node was changed at the same time"
        hint = "see `twinpost config history`"
        raise CliError(safe(text), hint, Exit.NEGATIVE)
    else:
        click.echo(f"{short(version).capitalize()} is in force.")


COMMANDS = (import_, rollback, settle)
