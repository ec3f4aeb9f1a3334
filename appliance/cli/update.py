"""`twinpost update`: another release on this node, or on the pair one node after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import data_option
from appliance.cli.output import safe

if TYPE_CHECKING:
    from bundle.ledger import State

_while_alone = click.option(
    "--while-alone", is_flag=True, help="Also without the other node: nobody takes mail meanwhile."
)


class _Group(click.Group):
    """`twinpost update FILE` is `twinpost update start FILE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["start", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Group)
def command() -> None:
    """Update this node from a bundle: `twinpost update FILE`. For the pair: `update pair FILE`.

    The release is verified, installed beside the one in use, and given a migrated copy of the
    data. If it does not do its work, this node goes back to what it had by itself.
    """


@command.command(hidden=True)
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_while_alone
@click.option("--allow-downgrade", is_flag=True, help="Also an older release.")
def start(bundle: Path, while_alone: bool, allow_downgrade: bool) -> int:
    """Update this node and tell how it goes; what has begun goes on without this command."""
    from bundle.install import Prefix
    from bundle.service import PREFIX, go_on_and_follow, updater

    with _as_root():
        prefix = Prefix(PREFIX)
        updater(prefix, click.echo).request(
            str(bundle.absolute()), alone=while_alone, allow_downgrade=allow_downgrade, by=_user()
        )
        return _ended(go_on_and_follow(prefix, _tell))


@command.command()
def rollback() -> int:
    """Use the release before again; refused where mail would be lost by it."""
    from bundle.install import Prefix
    from bundle.service import PREFIX, go_on_and_follow, updater

    with _as_root():
        prefix = Prefix(PREFIX)
        updater(prefix, click.echo).request_back(_user())
        return _ended(go_on_and_follow(prefix, _tell))


@command.command()
def finish() -> None:
    """The release stays: give up the data that the release before would need."""
    from bundle.install import Prefix
    from bundle.service import PREFIX, updater

    with _as_root():
        updater(Prefix(PREFIX), click.echo).finish()
    click.echo("The data of the release before is removed; `update rollback` is refused now.")


@command.command(hidden=True)
@data_option
def migrate(data: Path) -> None:
    """Copies of what this release keeps otherwise: an update runs it, as the release to come."""
    from appliance.config import open_layout
    from appliance.services.migration import CannotMigrate
    from appliance.services.migration import migrate as make_copies

    with config_errors():
        layout, _ = open_layout(data)
    try:
        make_copies(layout, lambda path: click.echo(str(path)))
    except CannotMigrate as error:
        raise CliError(str(error), error.hint, Exit.NEGATIVE) from None


@command.command(hidden=True)
@data_option
@click.option("--upcoming", is_flag=True, help="Of the migrated copy, if there is one.")
def digest(data: Path, upcoming: bool) -> None:
    """What the spool holds, as one number: an update compares it before and after."""
    import json

    from appliance.config import open_layout
    from appliance.services.migration import CannotMigrate
    from appliance.services.migration import digest as digest_of

    with config_errors():
        layout, _ = open_layout(data)
    try:
        form, found = digest_of(layout, upcoming=upcoming)
    except CannotMigrate as error:
        raise CliError(str(error), error.hint, Exit.NEGATIVE) from None
    click.echo(json.dumps({"format": form, "sha256": found}))


@contextmanager
def _as_root() -> Iterator[None]:
    """For what only root may; what `bundle` raises becomes CliError."""
    from bundle.errors import Refused

    if os.geteuid() != 0:
        hint = "use sudo, log in as root, or do it at the console"
        raise CliError("only root may", hint, Exit.NO_PERMISSION)
    try:
        yield
    except Refused as error:
        raise CliError(safe(str(error)), error.hint, Exit.NEGATIVE) from None


def _tell(text: str) -> None:
    click.echo(safe(text))


def _user() -> str:
    return os.environ.get("SUDO_USER", "root")


def _ended(state: State) -> int:
    if state.error:
        raise CliError(safe(state.error), state.hint, Exit.NEGATIVE)
    click.echo(f"Release {state.new} is in use.")
    return Exit.OK
