"""`twinpost console`: the terminal UI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.options import data_option
from appliance.mail.figures import counted

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
@click.option("--kiosk", is_flag=True, help="Nobody leaves it: for a node's own screen.")
@click.option(
    "--screenshots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a picture (SVG) of each screen there, and end.",
)
def command(data: Path, theme: str, kiosk: bool, screenshots: Path | None) -> int:
    """Watch and run the pair in this terminal."""
    from appliance.config import open_layout
    from tui.run import pictures, run

    with config_errors():
        layout, _ = open_layout(data)
    if screenshots is not None:
        files = pictures(layout.control_socket, "dark" if theme == "auto" else theme, screenshots)
        click.echo(f"{counted(len(files), 'picture')} written to {screenshots}")
        return Exit.OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("the console needs a terminal", "run it from a shell", Exit.USAGE)
    return run(layout.control_socket, theme, os.environ, kiosk=kiosk)
