"""--stick NAME: a folder on a stick, for commands that write there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.errors import CliError, Exit, node_errors

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.ipc.machine import StickView

Function = TypeVar("Function", bound=Callable[..., Any])


def stick_option(function: Function) -> Function:
    """--stick NAME: in place of a folder."""
    text = "A stick, by its label or id (`twinpost machine sticks list`); it is mounted."
    return click.option("--stick", metavar="NAME", help=text)(function)


def stick_named(client: Client, name: str) -> StickView:
    """The stick with that id or label; raises CliError."""
    with node_errors():
        found = client.sticks()
    named = [one for one in found if name in (one.id, one.label)]
    if len(named) == 1:
        return named[0]
    what = "there are several such sticks" if named else "there is no such stick"
    hint = "name it by its id: `twinpost machine sticks list`"
    raise CliError(what, hint, Exit.NO_INPUT)


def stick_folder(client: Client, name: str) -> Path:
    """Where on a stick the node may write; the stick is mounted then. Raises CliError."""
    stick = stick_named(client, name)
    with node_errors():
        stick = client.mount_stick(stick.id)
    if not stick.store:
        hint = "take one with FAT, exFAT or ext4"
        raise CliError("that stick can only be read", hint, Exit.CANNOT_WRITE)
    return Path(stick.store)
