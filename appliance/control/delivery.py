"""The delivery process as control asks it, and what operators have paused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from appliance.config.pauses import read
from appliance.control.caller import Caller
from appliance.ipc.delivery import CLIENT_CODEC, Call, DeliveryView, Said, View, ViewCall
from appliance.monitor.snapshot import PauseView

_PATIENCE = 2.0


class Delivery(Protocol):
    """The delivery process, over `run/delivery.sock`. Raises `Unavailable` when it is away."""

    async def view(self) -> DeliveryView:
        """How next hops and connections are."""


class DeliveryProcess:
    """Calls the delivery process."""

    def __init__(self, path: Path) -> None:
        self._caller: Caller[Call, Said] = Caller("delivery", path, CLIENT_CODEC)

    async def view(self) -> DeliveryView:
        return (await self._caller.call(ViewCall(), View, _PATIENCE)).view

    def close(self) -> None:
        """End the connection."""
        self._caller.close()


def pause_views(table: Mapping[str, bytes]) -> tuple[PauseView, ...]:
    """The registers of `pauses` for people."""
    return tuple(
        PauseView(what=what, reason=one.reason, by=one.by, at=one.at)
        for what, one in sorted((what, read(value)) for what, value in table.items())
    )
