"""The failover process as control reaches it."""

from __future__ import annotations

from pathlib import Path

from appliance.control.caller import Caller
from appliance.ipc.failover import (
    CLIENT_CODEC,
    Call,
    Done,
    FailoverStatus,
    FailoverView,
    MaintenanceCall,
    Said,
    StatusCall,
    SwitchoverCall,
)

_PATIENCE = 2.0
_MOVE_PATIENCE = 150.0
"""Seconds: the longest interval that can be set, and what follows from it."""


class FailoverProcess:
    """Calls it over `run/failover.sock`; everything raises Unavailable."""

    def __init__(self, path: Path) -> None:
        self._caller: Caller[Call, Said] = Caller("failover", path, CLIENT_CODEC)

    async def view(self) -> FailoverView:
        """How it is."""
        return (await self._caller.call(StatusCall(), FailoverStatus, _PATIENCE)).view

    async def switch_over(
        self, vrid: int | None, force: bool, *, ask: bool = False, here: bool = False
    ) -> str:
        """Leave addresses to the peer, or fetch them `here`, or only `ask`; raises Refused."""
        call = SwitchoverCall(vrid, force, ask, here)
        return (await self._caller.call(call, Done, _MOVE_PATIENCE)).text

    async def maintain(self, on: bool, force: bool, *, ask: bool = False) -> str:
        """Hold no address, or take part again; raises Refused."""
        call = MaintenanceCall(on, force, ask)
        return (await self._caller.call(call, Done, _MOVE_PATIENCE)).text

    def close(self) -> None:
        """End the connection."""
        self._caller.close()
