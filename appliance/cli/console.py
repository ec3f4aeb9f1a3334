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
    "--socket",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The node's control socket, for a user who may not read its settings.",
)
@click.option(
    "--screenshots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a picture (SVG) of each screen there, and end.",
)
def command(
    data: Path,
    theme: str,
    kiosk: bool,
    lock_after: float,
    socket: Path | None,
    screenshots: Path | None,
) -> int:
    """Watch and run the pair in this terminal."""
    from tui.run import pictures, run
    from tui.themes import choose

    control, log = _places(data) if socket is None else (socket, _own_log())
    if screenshots is not None:
        files = pictures(control, choose(theme, {"TERM": ""}), screenshots)
        click.echo(f"{counted(len(files), 'picture')} written to {screenshots}")
        return Exit.OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("the console needs a terminal", "run it in one", Exit.USAGE)
    if not run(
        control,
        choose(theme, os.environ),
        kiosk=kiosk,
        lock_after=lock_after * 60,
        failed=lambda error: _note(log, error),
    ):
        hint = f"please report it, with the end of {log}"
        raise CliError("the console failed", hint, Exit.SOFTWARE)
    return Exit.OK


def _places(data: Path) -> tuple[Path, Path]:
    """Control socket and console's log, also before there are settings: it then asks for them."""
    from appliance.config import Layout, open_layout
    from appliance.config.node import PathSettings

    layout = Layout(data, PathSettings())
    if layout.node_toml.exists():
        with config_errors():
            layout, _ = open_layout(data)
    return layout.control_socket, layout.log_file("console")


def _own_log() -> Path:
    """Where systemd lets a console write that may not write among the node's logs."""
    return Path(os.environ.get("LOGS_DIRECTORY", os.devnull), "console.log")


def _note(path: Path, error: Exception) -> None:
    """A failure of the console in a log of its own, if this user may write one."""
    import traceback
    from contextlib import suppress

    from appliance.monitor.events import Event, EventLog, LogFile

    with suppress(OSError):
        log = LogFile(path, os.open(os.devnull, os.O_WRONLY))
        told = "".join(traceback.format_exception(error))
        EventLog(log.write, "console")(Event.FAILED, error=repr(error), traceback=told)
