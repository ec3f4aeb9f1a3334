"""The update as systemd runs it: begun by one process, carried out by another, told by a file."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bundle.errors import Refused
from bundle.install import Prefix, target
from bundle.ledger import Ledger, State
from bundle.node import SystemClock, SystemNode
from bundle.update import Updater

PREFIX = Path("/opt/twinpost")
DATA = Path("/var/lib/twinpost")
UNIT = "twinpost-update.service"


def updater(prefix: Prefix, tell: Callable[[str], None]) -> Updater:
    """The one of this machine."""
    return Updater(prefix, SystemNode(DATA), SystemClock(), tell, system=target())


def go_on() -> None:
    """Have systemd carry out what the ledger says; raises Refused."""
    done = subprocess.run(
        ["systemctl", "start", "--no-block", UNIT], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(
            f"{UNIT} does not start: {done.stderr.strip()}", f"see systemctl status {UNIT}"
        )


def go_on_and_follow(prefix: Prefix, tell: Callable[[str], None]) -> State:
    """The same, and tell what happens until it is over; the end. Whoever follows may leave."""
    go_on()
    ledger, told = Ledger(prefix.path / "update"), ""
    while True:
        state = ledger.read()
        assert state is not None
        text = f"{state.phase}: {state.text}"
        if text != told:
            tell(text)
            told = text
        if state.phase.over:
            return state
        time.sleep(0.5)
