"""Who holds the virtual address: the kernel's own word, as it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from time import monotonic, time
from types import TracebackType
from typing import Self

import msgspec

from tests.netns.lab import VIRTUAL, Host, Lab
from tests.netns.namespace import DIE_TOO
from tests.pair.harness import until

_QUIET = 0.5


class Change(msgspec.Struct, frozen=True):
    """An address came to a host or left it; `at` on the monotonic clock."""

    at: float
    host: str
    held: bool


class Holders:
    """Follows `ip monitor` in the nodes' namespaces."""

    def __init__(self, lab: Lab, address: str = VIRTUAL) -> None:
        self._lab = lab
        self._address = f"{address}/"
        self._monitors: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.changes: list[Change] = []
        self.names: set[str] = set()

    async def __aenter__(self) -> Self:
        for host in self._lab.nodes:
            monitor = await asyncio.create_subprocess_exec(
                *host.namespace.command(
                    *DIE_TOO, *("ip", "-oneline", "-tshort", "monitor", "address")
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
            self._monitors.append(monitor)
            self._tasks.append(asyncio.create_task(self._follow(host, monitor)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for monitor in self._monitors:
            monitor.kill()
        await asyncio.gather(*self._tasks)
        for monitor in self._monitors:
            await monitor.wait()

    async def _follow(self, host: Host, monitor: asyncio.subprocess.Process) -> None:
        assert monitor.stdout
        async for raw in monitor.stdout:
            when, verb, *words = raw.decode().split()
            if any(word.startswith(self._address) for word in words):
                wall = datetime.fromisoformat(when.strip("[]")).timestamp()
                self._note(host.name, wall + monotonic() - time(), verb != "Deleted")

    def _note(self, host: str, at: float, held: bool) -> None:
        if held is (host in self.names):
            return
        (self.names.add if held else self.names.discard)(host)
        self.changes.append(Change(at, host, held))
        self.changes.sort(key=attrgetter("at"))

    async def only(self, patience: float = 60.0) -> Host:
        """The one host that holds it, once there is exactly one."""

        async def one() -> Host | None:
            holding = [host for host in self._lab.nodes if host.name in self.names]
            return holding[0] if len(holding) == 1 else None

        return await until(one, "exactly one holder of the virtual address", patience)

    async def settled(self) -> Host:
        """The one host that holds it, once that has been so for a while."""

        async def quiet() -> Host | None:
            host = await self.only()
            now = asyncio.get_running_loop().time()
            return host if not self.changes or now - self.changes[-1].at >= _QUIET else None

        return await until(quiet, "one settled holder of the virtual address")

    async def moved(self, since: float, patience: float) -> Change:
        """The first time that it came to a host after `since`."""

        async def came() -> Change | None:
            return next(iter(self.takeovers(since)), None)

        return await until(came, "a takeover", patience)

    def takeovers(self, since: float) -> Sequence[Change]:
        """How often it came to a host."""
        return [change for change in self.changes if change.at >= since and change.held]

    def left(self, host: Host, since: float) -> float:
        """When it left the host after `since`; infinite if it never did."""
        gone = (one.at for one in self.changes if one.host == host.name and not one.held)
        return min((at for at in gone if at >= since), default=float("inf"))

    def overlap(self, since: float, now: float) -> float:
        """Seconds in which both held it."""
        return sum(max(0.0, end - max(start, since)) for start, end in self._double(now))

    def _double(self, now: float) -> Sequence[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        holding: set[str] = set()
        before = 0.0
        for change in [*self.changes, Change(now, "", held=False)]:
            if len(holding) == 2:
                spans.append((before, change.at))
            (holding.add if change.held else holding.discard)(change.host)
            before = change.at
        return spans
