"""`twinpost console`: the terminal UI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import data_option
from appliance.mail.figures import counted

if TYPE_CHECKING:
    from appliance.config import Layout

_THEMES = ("auto", "dark", "light", "contrast", "ascii")


@click.command()
@data_option
@click.option(
    "--theme",
    type=click.Choice(_THEMES),
    default="auto",
    show_default=True,
    help="How it looks; auto takes ascii on consoles and serial lines.",
)
@click.option("--kiosk", is_flag=True, help="One logs in and nobody leaves: for a node's screen.")
@click.option(
    "--lock-after",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Lock a session that is left alone for so long.",
)
@click.option(
    "--screenshots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a picture (SVG) of each screen there, and end.",
)
def command(
    data: Path, theme: str, kiosk: bool, lock_after: float, screenshots: Path | None
) -> int:
    """Watch and run the pair in this terminal."""
    from tui.run import pictures, run
    from tui.themes import choose

    with config_errors():
        layout = _layout(data)
    if screenshots is not None:
        files = pictures(layout.control_socket, choose(theme, {"TERM": ""}), screenshots)
        click.echo(f"{counted(len(files), 'picture')} written to {screenshots}")
        return Exit.OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("the console needs a terminal", "run it in one", Exit.USAGE)
    if not run(
        layout.control_socket,
        choose(theme, os.environ),
        kiosk=kiosk,
        lock_after=lock_after * 60,
        failed=lambda error: _note(layout, error),
    ):
        hint = f"please report it, with the end of {layout.log_file('console')}"
        raise CliError("the console failed", hint, Exit.SOFTWARE)
    return Exit.OK


def _layout(data: Path) -> Layout:
    """Where things lie, also before the node has settings: the console then asks for them."""
    from appliance.config import Layout, open_layout
    from appliance.config.node import PathSettings

    layout = Layout(data, PathSettings())
    return open_layout(data)[0] if layout.node_toml.exists() else layout


def _note(layout: Layout, error: Exception) -> None:
    """A failure of the console in a log of its own, if this user may write one."""
    import traceback
    from contextlib import suppress

    from appliance.monitor.events import Event, EventLog, LogFile

    with suppress(OSError):
        log = LogFile(layout.log_file("console"), os.open(os.devnull, os.O_WRONLY))
        told = "".join(traceback.format_exception(error))
        EventLog(log.write, "console")(Event.FAILED, error=repr(error), traceback=told)
