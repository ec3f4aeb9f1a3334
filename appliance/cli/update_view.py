"""How updates stand, for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.output import safe
from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema_updates import RollView, Updates

_LOOK_EVERY = 0.5


def other_node(data: Path) -> Client:
    """The client of the other node, over this one."""
    from appliance.config import open_layout

    with config_errors():
        layout, _ = open_layout(data)
    return Client(layout.control_socket, other=True)


def failed(node: Updates) -> bool:
    """True if what was begun last did not come to its good end."""
    update, roll = node.update, node.roll
    return bool(update and update.error) or bool(roll and roll.phase == "stopped")


def lines_of(node: Updates) -> Iterator[str]:
    """A node's part of the status."""
    yield f"{safe(node.node)}: release {safe(node.release)}"
    if (update := node.update) is not None:
        yield f"  last update: {update.old} to {update.new or '?'}, {update.phase}"
        yield from (f"    {safe(one)}" for one in (update.text, update.error) if one)
        if update.hint:
            yield f"    → {safe(update.hint)}"
    if node.before:
        yield f"  `twinpost update rollback` goes back to {node.before}"
    if (roll := node.roll) is not None:
        yield f"  update of the pair to {safe(roll.release)}: {roll.phase}"
        yield from (f"    {safe(one)}" for one in (roll.text, roll.error) if one)
        if roll.hint:
            yield f"    → {safe(roll.hint)}"


def follow_roll(client: Client) -> int:
    """Tell how the update of the pair goes until its end; the node is away for a while."""
    told = ""
    while True:
        time.sleep(_LOOK_EVERY)
        try:
            roll = client.updates().roll
        except (NotRunning, ApiError):
            roll, text = None, "this node is being exchanged"
        else:
            text = roll.text if roll is not None else ""
        if text and text != told:
            click.echo(safe(text))
            told = text
        if roll is not None and roll.phase != "running":
            return _end(roll)


def _end(roll: RollView) -> int:
    if roll.phase == "stopped":
        raise CliError(safe(roll.error), safe(roll.hint), Exit.NEGATIVE)
    return Exit.OK
