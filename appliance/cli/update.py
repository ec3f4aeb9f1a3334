"""`twinpost update`: another release on this node, or on the pair one node after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors, node_errors
from appliance.cli.options import MOVE_PATIENCE, data_option, json_option, node_client
from appliance.cli.output import safe, show_json
from appliance.cli.update_view import failed, follow_roll, lines_of, other_node
from appliance.control.client import ApiError, NotRunning

if TYPE_CHECKING:
    from appliance.control.schema_updates import Updates
    from bundle.ledger import State

_STICKS = Path("/media/twinpost")
_while_alone = click.option(
    "--while-alone", is_flag=True, help="Also without the other node: nobody takes mail meanwhile."
)


class _Bundle(click.ParamType[Path]):
    """A file, or `stick`: the only bundle on the sticks that are mounted."""

    name = "FILE|stick"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        found = [Path(str(value))]
        if value == "stick":
            found = sorted(_STICKS.glob("*/*.bundle"))
        if not found:
            hint = "mount one with `twinpost machine sticks mount NAME`, or name the file"
            self.fail(f"there is no bundle on a mounted stick: {hint}")
        if len(found) > 1:
            self.fail(f"there are several, name one: {', '.join(safe(str(one)) for one in found)}")
        if not found[0].is_file():
            self.fail(f"there is no file {safe(str(found[0]))}")
        return found[0]


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
@click.argument("bundle", type=_Bundle())
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
@data_option
@click.argument("bundle", type=_Bundle())
def pair(data: Path, bundle: Path) -> int:
    """Update both nodes: the Backup first, then, when the pair is paired again, the other.

    The bundle goes to the other node over the pair's link. What has begun goes on without this
    command; the same command again goes on with what has stopped.
    """
    from appliance.control.schema_updates import ChosenBundle

    client = node_client(data, MOVE_PATIENCE)
    size = bundle.stat().st_size
    with node_errors():
        click.echo("Giving the bundle to the node.")
        client.send_bundle(bundle, lambda sent: _progress(sent, size))
        client.update_pair(ChosenBundle())
    return follow_roll(client)


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> int:
    """Show what the nodes run and how updates stand; exit code 1 if one has failed."""
    client = node_client(data)
    try:
        nodes = [client.updates()]
    except (NotRunning, ApiError):
        nodes = [_from_disk()]  # the node is being exchanged
    with suppress(NotRunning, ApiError):
        nodes.append(other_node(data).updates())
    if as_json:
        show_json(nodes)
    else:
        click.echo("\n".join(line for one in nodes for line in lines_of(one)))
    return Exit.NEGATIVE if any(failed(one) for one in nodes) else Exit.OK


@command.command()
@data_option
def stop(data: Path) -> None:
    """Stop the update of the pair: what is under way on a node ends, and nothing more begins."""
    with node_errors():
        node_client(data).stop_roll()
    click.echo("Nothing more begins; see `twinpost update status`.")


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


@command.command(hidden=True)
@data_option
def exposed(data: Path) -> None:
    """How many messages of a node that does not run the other one may not have."""
    import json

    from appliance.config import open_layout
    from appliance.services.migration import CannotMigrate
    from appliance.services.migration import exposed as exposed_of

    with config_errors():
        layout, _ = open_layout(data)
    try:
        click.echo(json.dumps({"exposed": exposed_of(layout)}))
    except CannotMigrate as error:
        raise CliError(str(error), error.hint, Exit.NEGATIVE) from None


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


def _progress(sent: int, size: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{100 * sent // size} %", nl=sent == size, err=True)


def _from_disk() -> Updates:
    from appliance.control.schema_updates import Updates
    from appliance.services.updates import InstalledReleases
    from bundle.service import PREFIX

    installed = InstalledReleases(PREFIX)
    return Updates(
        node="this node",
        release=installed.release(),
        managed=False,
        update=installed.update(),
        roll=None,
        before=installed.before(),
    )


def _user() -> str:
    return os.environ.get("SUDO_USER", "root")


def _ended(state: State) -> int:
    if state.error:
        raise CliError(safe(state.error), state.hint, Exit.NEGATIVE)
    click.echo(f"Release {state.new} is in use.")
    return Exit.OK
