"""Options and helpers that several commands share."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.errors import config_errors

if TYPE_CHECKING:
    from appliance.control.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_DATA = "/var/lib/twinpost"
_USER = "twinpost"
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
        # The console's user may pass through it to the control socket, not read it.
        type=click.Path(file_okay=False, readable=False, path_type=Path),
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


def become_owner(data: Path) -> None:
    """As root, go on as the user whose `data` is: what is written there must be that user's.

    The node could not read keys that root has made.
    """
    try:
        owner = data.stat()
    except FileNotFoundError:
        return
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


def give_to_node(data: Path) -> None:
    """What root has made as the installed node's data directory belongs to the node's user."""
    if os.geteuid() != 0 or data != Path(DEFAULT_DATA):
        return
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        return
    for folder, _, names in os.walk(data):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def node_client(data: Path, timeout: float | None = 60.0) -> Client:
    """The control client of the node in `data`; raises CliError for bad settings."""
    from appliance.config import open_layout
    from appliance.control.client import Client

    with config_errors():
        layout, _ = open_layout(data)
    return Client(layout.control_socket, timeout)
