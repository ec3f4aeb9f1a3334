"""Listeners at virtual addresses, in processes other than mail's: open where this node serves."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Protocol

from appliance.config.node import NodeSettings
from appliance.config.units import Endpoint, NumericEndpoint
from appliance.ipc.failover import Standing
from appliance.ipc.standing import StandingWatch
from appliance.monitor.events import Emit, Event

_AGAIN = 0.005
"""Seconds: a node that has just given up an address on this machine may still be closing it."""


class Listeners(Protocol):
    """What opens and closes."""

    @property
    def listening(self) -> Container[Endpoint]:
        """Where clients are taken now."""

    async def listen(self, endpoint: Endpoint, freebind: bool = False) -> None:
        """Take clients there; `freebind`: even while this machine lacks it; raises OSError."""

    def unlisten(self, endpoint: Endpoint) -> None:
        """Take no more clients there."""


async def listen(
    listeners: Listeners, endpoints: Sequence[NumericEndpoint], node: NodeSettings
) -> Sequence[Endpoint]:
    """Listen wherever it can be done at once; returns the endpoints that come and go.

    A virtual address at an interface is listened on all the time: its clients get here only
    while this node holds it. On loopback it would be anybody's, so there it waits to be held.
    """
    moving = []
    for endpoint in endpoints:
        if endpoint.address not in node.virtual or node.failover is None:
            await listeners.listen(endpoint)
        elif node.failover.binder == "netlink":
            await listeners.listen(endpoint, freebind=True)
        else:
            moving.append(endpoint)
    return moving


class Follower:
    """Listens at `moving` only while this node holds their addresses; from `run` to `stop`.

    `failed` is told when a listener cannot be opened, once until it is.
    """

    def __init__(
        self,
        path: Path,
        listeners: Listeners,
        moving: Sequence[Endpoint],
        emit: Emit,
        failed: Event,
    ) -> None:
        self._listeners = listeners
        self._moving = tuple(moving)
        self._emit = emit
        self._failed = failed
        self._watch = StandingWatch(path, self._became)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the failover process, if there is anything that moves."""
        if not self._moving:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            tasks.create_task(self._keep_listening())

    def stop(self) -> None:
        """Open no listener any more."""
        self._moving = ()

    def _became(self, standing: Standing) -> None:
        for endpoint in self._moving:
            self._leave_unless_held(endpoint)
        self._changed.set()

    async def _keep_listening(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for endpoint in self._moving:
                await self._listen(endpoint)

    async def _listen(self, endpoint: Endpoint) -> None:
        told = False
        while self._is_due(endpoint):
            try:
                await self._listeners.listen(endpoint)
            except OSError as error:
                if not told:
                    self._emit(
                        self._failed, address=endpoint.host, port=endpoint.port, error=str(error)
                    )
                told = True
                await asyncio.sleep(_AGAIN)
        self._leave_unless_held(endpoint)  # it may have gone meanwhile

    def _is_due(self, endpoint: Endpoint) -> bool:
        listening = endpoint in self._listeners.listening
        return endpoint in self._moving and self._is_held(endpoint) and not listening

    def _is_held(self, endpoint: Endpoint) -> bool:
        return str(endpoint.address) in self._watch.standing.held

    def _leave_unless_held(self, endpoint: Endpoint) -> None:
        if endpoint in self._listeners.listening and not self._is_held(endpoint):
            self._listeners.unlisten(endpoint)
