"""`twinpost config`: check and show the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import config_errors
from appliance.cli.options import data_option, json_option
from appliance.cli.output import safe, show_json

if TYPE_CHECKING:
    from appliance.config import Layout, NodeSettings, SiteSettings


@click.group()
def command() -> None:
    """Check and show the settings: node.toml of this node, site.toml of the pair."""


@command.command()
@data_option
def check(data: Path) -> None:
    """Say everything that is wrong with the settings; exit code 78 if anything is."""
    layout, node, site = _load(data)
    click.echo(f"{layout.node_toml}: node {node.name}, {node.hostname}")
    click.echo(f"{layout.site_toml}: {', '.join(site.domains)}, {len(site.users)} users")
    click.echo("Nothing is wrong.")


@command.command()
@data_option
@json_option
def show(data: Path, as_json: bool) -> None:
    """Show all settings in force, the defaults included."""
    from appliance.config.plain import plain

    _, node, site = _load(data)
    both = {"node": plain(node), "site": plain(site)}
    if as_json:
        show_json(both)
        return
    for name, settings in both.items():
        click.echo(f"# {name}.toml")
        for line in _lines("", settings):
            click.echo(line)


def _load(data: Path) -> tuple[Layout, NodeSettings, SiteSettings]:
    from appliance.config import ConfigError, Problem, load_site, open_layout
    from appliance.config.layout import Layout
    from appliance.config.node import PathSettings

    problems: list[Problem] = []
    with config_errors():
        # Both files are read, so that all that is wrong is told at once.
        try:
            layout, node = open_layout(data)
        except ConfigError as error:
            problems += error.problems
        try:
            site = load_site(Layout(data, PathSettings()).site_toml)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
    return layout, node, site


def _lines(prefix: str, value: object) -> Iterator[str]:
    """One "key = value" for each setting."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _lines(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield safe(f"{prefix} = {value}")
