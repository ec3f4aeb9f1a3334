"""The machine as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from appliance.ipc.machine import Choices, GetChoices, GetMachine, MachineView
from appliance.machine.clock import Clock
from appliance.machine.helper import Operation, Tell
from appliance.machine.names import Names
from appliance.machine.network import Network
from appliance.machine.system import System

_PATIENCE = 15.0


class View:
    """The handlers that only tell something."""

    def __init__(
        self,
        system: System,
        clock: Clock,
        names: Names,
        network: Network,
        gateway: Callable[[], str],
    ) -> None:
        self._system = system
        self._clock = clock
        self._names = names
        self._network = network
        self._gateway = gateway

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(GetMachine, self.machine, _PATIENCE, changes=False),
            Operation(GetChoices, self.choices, _PATIENCE, changes=False),
        )

    async def machine(self, request: GetMachine, tell: Tell) -> MachineView:
        return MachineView(
            host_name=self._names.host_name,
            interfaces=tuple(await self._network.state()),
            gateway=await asyncio.to_thread(self._gateway),
            trial=self._network.trial,
            clock=await self._clock.state(),
            keyboard=self._names.keyboard,
            live=self._system.live,
            appliance=self._system.appliance,
            release=self._system.release,
            releases=self._system.releases,
        )

    async def choices(self, request: GetChoices, tell: Tell) -> Choices:
        zones = await asyncio.to_thread(self._clock.zones)
        return Choices(tuple(zones), tuple(await asyncio.to_thread(self._names.keyboards)))
