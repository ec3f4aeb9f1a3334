"""Options and helpers that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.errors import config_errors

if TYPE_CHECKING:
    from appliance.control.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_DATA = "/var/lib/twinpost"
MOVE_PATIENCE = 180.0
"""Seconds that a command which moves addresses may take: deliveries under way end first."""


def data_option(function: Function) -> Function:
    """--data DIR: the node meant."""
    return click.option(
        "--data",
        envvar="TWINPOST_DATA",
        default=DEFAULT_DATA,
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data directory of the node.",
    )(function)


def json_option(function: Function) -> Function:
    """--json: for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON as docs/json.md describes it."
    )(function)


def force_option(function: Function) -> Function:
    """--force: move the addresses whatever comes of it."""
    text = "Also if the other node could not serve, or mail cannot be handed over."
    return click.option("--force", is_flag=True, help=text)(function)


def node_client(data: Path, timeout: float | None = 60.0) -> Client:
    """The control client of the node in `data`; raises CliError for bad settings."""
    from appliance.config import open_layout
    from appliance.control.client import Client

    with config_errors():
        layout, _ = open_layout(data)
    return Client(layout.control_socket, timeout)
