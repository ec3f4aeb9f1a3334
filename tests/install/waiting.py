"""Waiting for what machines come to by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import msgspec

from tests.install.machine import Machine
from tests.netns.lab import VIRTUAL

PATIENCE = 120.0
_OVER = ("done", "back", "failed")


def until(done: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Ask again until it is so."""
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end, f"it did not come about in {patience:.0f} seconds"


def mode(machine: Machine) -> str:
    """Of its node; "down" while that does not answer."""
    status = machine.run("twinpost", "status", "--json", check=False)
    return str(msgspec.json.decode(status)["mode"]) if status.startswith("{") else "down"


def holds(machine: Machine) -> bool:
    """Whether clients get to it."""
    return f" {VIRTUAL}/" in machine.run("ip", "-4", "address", "show", "dev", "eth0")


def runs(machine: Machine, version: str) -> bool:
    """Whether that release is in use, and no update is under way."""
    if machine.run("twinpost", "--version").split()[-1] != version:
        return False
    told = machine.run("twinpost", "update", "status", "--json", check=False)
    return told.startswith("[") and all(
        one["update"] is None or one["update"]["phase"] in _OVER for one in json.loads(told)
    )
