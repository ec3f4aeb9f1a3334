"""Restart of the node, restart and end of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.ipc.machine import Done, PowerOff, Reboot, Request, RestartNode
from appliance.machine.command import Run
from appliance.machine.helper import Operation, Tell

_PATIENCE = 20.0
# Each only begins it: the node takes its time to stop, and who asks may be part of it.
_NODE = ("systemctl", "--no-block", "restart", "twinpost.service")
_REBOOT = ("systemctl", "--no-block", "reboot")
_POWER_OFF = ("systemctl", "--no-block", "poweroff")


class Power:
    """The handlers."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            self._begins(RestartNode, _NODE, "the node is restarted"),
            self._begins(Reboot, _REBOOT, "the machine is restarted"),
            self._begins(PowerOff, _POWER_OFF, "the machine is switched off"),
        )

    def _begins(self, request: type[Request], words: Sequence[str], text: str) -> Operation[Any]:
        async def begin(asked: Request, tell: Tell) -> Done:
            await self._run(*words)
            return Done(text)

        return Operation(request, begin, _PATIENCE, changes=True)
