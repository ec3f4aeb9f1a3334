"""`twinpost config`: check and show the settings; the site's versions are in modules beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli import config_changes, config_versions
from appliance.cli.errors import config_errors
from appliance.cli.options import data_option, json_option
from appliance.cli.output import safe, show_json

if TYPE_CHECKING:
    from appliance.config import Layout, NodeSettings, SiteSettings
    from appliance.spool.site_state import SiteState


@click.group()
def command() -> None:
    """Settings: node.toml of this node, and the site that the pair shares.

    The site is kept by the pair, in versions: export it, change it, import it. Both nodes act on
    a change at once. site.toml is only the first version.
    """


@command.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@data_option
def check(file: Path | None, data: Path) -> None:
    """Say everything that is wrong with the settings; exit code 78 if anything is.

    With FILE only that: a site to be imported.
    """
    if file is not None:
        from appliance.config import load_site

        with config_errors():
            site = load_site(file)
        click.echo(f"{file}: {', '.join(site.domains)}, {len(site.users)} users")
    else:
        layout, node, site, state = _load(data)
        click.echo(f"{layout.node_toml}: node {node.name}, {node.hostname}")
        click.echo(f"{_source(layout, state)}: {', '.join(site.domains)}, {len(site.users)} users")
    click.echo("Nothing is wrong.")


@command.command()
@data_option
def firewall(data: Path) -> None:
    """Print what node.toml has to let in, as rules for `nft -f`; all else is refused."""
    from appliance.config import open_layout
    from appliance.config.firewall import ruleset

    with config_errors():
        _, node = open_layout(data)
    click.echo(ruleset(node), nl=False)


@command.command()
@data_option
def clock(data: Path) -> None:
    """Print whom the node's clock follows and serves, as settings for chrony."""
    from appliance.config import open_layout
    from appliance.config.clock import chrony

    with config_errors():
        _, node = open_layout(data)
    click.echo(chrony(node), nl=False)


@command.command()
@data_option
@json_option
def show(data: Path, as_json: bool) -> None:
    """Show all settings in force, the defaults included."""
    from appliance.config.plain import plain

    layout, node, site, state = _load(data)
    both = {"node": plain(node), "site": plain(site)}
    if as_json:
        show_json(both)
        return
    for source, settings in ((layout.node_toml, node), (_source(layout, state), site)):
        click.echo(f"# {source}")
        for line in _lines("", plain(settings)):
            click.echo(line)
    if state is not None and state.head is not None and _file_differs(layout, site):
        click.echo(f"# {layout.site_toml} says something else, and is not heeded: import it.")
    if state is not None and state.problem:
        click.echo(f"# A later version cannot be used here: {safe(state.problem)}")


def _load(data: Path) -> tuple[Layout, NodeSettings, SiteSettings, SiteState | None]:
    """Settings of a node that may be running or not; `SiteState` None: there is no spool."""
    from appliance.config import ConfigError, Problem, load_site, open_layout
    from appliance.config.layout import Layout
    from appliance.config.node import PathSettings
    from appliance.services.site import open_site

    problems: list[Problem] = []
    with config_errors():
        # Both files are read, so that all that is wrong is told at once.
        try:
            layout, node = open_layout(data)
            site = open_site(layout, node)
        except ConfigError as error:
            problems += error.problems
            path = Layout(data, PathSettings()).site_toml
            if all(problem.file != str(path) for problem in problems):
                try:
                    load_site(path)
                except ConfigError as error:
                    problems += error.problems
            raise ConfigError(problems) from None
    return layout, node, site.current, site.state


def _source(layout: Layout, state: SiteState | None) -> str:
    from appliance.spool.site_state import name_of

    if state is None or state.applied is None:
        return str(layout.site_toml)
    return f"site, {name_of(state.applied)}"


def _file_differs(layout: Layout, site: SiteSettings) -> bool:
    from appliance.config import ConfigError, load_site

    try:
        return load_site(layout.site_toml) != site
    except ConfigError:
        return layout.site_toml.exists()


def _lines(prefix: str, value: object) -> Iterator[str]:
    """One "key = value" for each setting."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _lines(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield safe(f"{prefix} = {value}")


for _one in (*config_versions.COMMANDS, *config_changes.COMMANDS):
    command.add_command(_one)
