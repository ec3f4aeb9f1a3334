"""What is measured: a pair that serves SMTP at a virtual address, and can be hurt."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Protocol

from tests.netns.lab import Host, Lab

SMTP = 2525
INTERVAL = 0.1
"""Seconds between advertisements, the same for all who are measured."""
PRIORITIES = {"a": 200, "b": 150}
"""So are these: the lower, the longer a node waits before it takes the address."""


class Contender(Protocol):
    """A pair in the lab. Hosts are named by what they are in it."""

    @property
    def name(self) -> str: ...

    @property
    def lab(self) -> Lab: ...

    async def whole(self) -> None:
        """Return when both nodes run and are ready for the next fault."""

    def kill_node(self, host: Host) -> None:
        """kill -9 everything it runs, at once."""

    def kill_server(self, host: Host) -> None:
        """kill -9 the process that serves SMTP."""

    def kill_failover(self, host: Host) -> None:
        """kill -9 the process that speaks for the address."""

    def kill_guardian(self, host: Host) -> None:
        """kill -9 the process that watches over that one."""

    def pids(self, host: Host) -> Iterable[int]:
        """All that it runs."""

    async def switch_over(self, host: Host) -> None:
        """Give the address to the other node, as planned."""

    async def restart(self, host: Host) -> None:
        """Stop it in order and start it again, as for an update; return when it serves."""

    def revive(self, host: Host) -> None:
        """Start again what was killed."""


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send it to all that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
