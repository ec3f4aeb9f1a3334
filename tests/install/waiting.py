"""Waiting for what machines come to by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from tests.install.machine import Machine
from tests.netns.lab import VIRTUAL

PATIENCE = 120.0


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
