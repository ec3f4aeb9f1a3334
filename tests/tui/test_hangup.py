"""A terminal that is closed, or unplugged, leaves no console behind."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.support.tty import at_terminal
from tests.tui.control import serving
from tests.tui.values import ANSWERS

_PATIENCE = 30.0


def test_a_console_ends_when_its_terminal_hangs_up(tmp_path: Path) -> None:
    with serving(tmp_path, ANSWERS) as control:
        command = (sys.executable, "-P", "-m", "appliance.cli", "console")
        with at_terminal([*command, "--socket", str(control.path)], (80, 24)) as terminal:
            terminal.brings([], lambda came: b"Overview" in came)
            assert terminal.hang_up(_PATIENCE) == -signal.SIGHUP
