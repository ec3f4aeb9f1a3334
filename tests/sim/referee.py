"""What must hold of virtual addresses at every moment, whatever the faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from appliance.failover.parameters import active_down_interval
from tests.sim.clock import Clock
from tests.sim.failover import FailoverProcess
from tests.sim.oracle import expect
from tests.sim.wires import Wires

Key = TypeVar("Key")
_SLACK = 1.05
"""Clocks are wrong by up to one in a hundred, and count whole milliseconds."""
_LATE = 20


class Referee:
    """Follows both processes; raises Violated.

    1. Once connectivity has lasted Active_Down_Interval, at most one node holds an address.
    2. A process that goes on after it was stopped for longer than that drops what it held first.
    3. While some node could hold an address, one does, but for the time of a takeover.
    4. Nobody hears a machine that is off.
    5. A node whose mail process is away or silent holds nothing.
    """

    def __init__(self, clock: Clock, wires: Wires, processes: Sequence[FailoverProcess]) -> None:
        self._clock, self._wires, self._processes = clock, wires, processes
        self._interval = processes[0].routers[0].interval * 10
        self._vrids = [router.vrid for router in processes[0].routers]
        longest = active_down_interval(1, processes[0].routers[0].interval) // 1_000_000
        self._down = int(longest * _SLACK) + _LATE
        self._connected_since: int | None = None
        self._nobody_since: dict[int, int] = {}
        self._fit_since: dict[str, int] = {}
        self._off_since: dict[str, int] = {}
        self._unserved_since: dict[str, int] = {}
        for process in processes:
            process.follower = self
        wires.on_change = self.changed

    def changed(self) -> None:
        self._since_connected(all(p.runs for p in self._processes) and self._wires.connected)
        for vrid in self._vrids:
            nobody = not any(vrid in process.held for process in self._processes)
            self._since(self._nobody_since, vrid, nobody, 3 * self._down)
        for process in self._processes:
            self._since(self._fit_since, process.host.name, process.fit, 3 * self._down)
            unserved = process.runs and process.host.report() is None and bool(process.held)
            self._since(self._unserved_since, process.host.name, unserved, self._down)
            off = process.host.gone
            self._since(self._off_since, process.host.name, off, 3 * self._down)
        self._look()

    def _since_connected(self, connected: bool) -> None:
        if not connected:
            self._connected_since = None
        elif self._connected_since is None:
            self._connected_since = self._clock.now
            self._clock.after(self._down + 1, self._look)

    def _since(self, since: dict[Key, int], key: Key, holds: bool, patience: int) -> None:
        if not holds:
            since.pop(key, None)
        elif key not in since:
            since[key] = self._clock.now
            self._clock.after(patience + 1, self._look)

    def _look(self) -> None:
        now = self._clock.now
        if self._connected_since is not None and now - self._connected_since > self._down:
            for vrid in self._vrids:
                holders = [p.host.name for p in self._processes if vrid in p.held]
                expect(len(holders) < 2, f"virtual router {vrid} is Active on both nodes")
        ready = [at for at in self._fit_since.values() if now - at > 3 * self._down]
        for vrid, at in self._nobody_since.items():
            stuck = bool(ready) and now - at > 3 * self._down
            expect(not stuck, f"nobody holds the address of virtual router {vrid}")
        for name, at in self._unserved_since.items():
            expect(now - at <= self._down, f"{name} holds an address that it does not serve")
        for process in self._processes:
            others = [p.host.name for p in self._processes if p is not process]
            off = [now - self._off_since.get(name, now) for name in others]
            dead = process.runs and min(off) > 3 * self._down
            expect(not (dead and process.hears), f"{process.host.name} hears a machine that is off")

    def went_on(self, process: FailoverProcess, stopped_for: int, kept: set[int]) -> None:
        if stopped_for > 3 * self._interval * _SLACK + _LATE:
            expect(not kept, f"{process.host.name} went on and holds what it held")

    def judge(self) -> None:
        """Everything has healed: each address is on one node, and each hears the other."""
        for vrid in self._vrids:
            holders = [p.host.name for p in self._processes if vrid in p.held]
            expect(len(holders) == 1, f"virtual router {vrid} is held by {holders}")
        for process in self._processes:
            expect(process.hears, f"{process.host.name} does not hear the other")
