"""Keeps checking the servers, and tells the pool which are up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from appliance.balance.checks import CheckFailed
from appliance.config.balance import CheckSettings, ServerSettings
from appliance.monitor.events import Emit, Event
from appliance.pools.algorithms import Pool
from appliance.pools.health import Health

Look = Callable[[ServerSettings], Awaitable[None]]
"""Looks once whether a server is as it should be; raises CheckFailed or OSError."""


@dataclass
class Checked:
    """What is known of one server; `at` and `since` as the clock tells, `at` None: never looked."""

    settings: ServerSettings
    health: Health
    since: int
    at: int | None = None


class Checker:
    """Checks each server on its own; a slow one keeps no other waiting."""

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        settings: CheckSettings,
        pool: Pool,
        look: Look,
        emit: Emit,
        clock: Callable[[], int],
    ) -> None:
        """`clock` tells milliseconds that only grow."""
        self.checked = {
            str(server.name): Checked(server, Health(settings.rise, settings.fall), clock())
            for server in servers
        }
        self._settings = settings
        self._pool = pool
        self._look = look
        self._emit = emit
        self._clock = clock

    async def run(self) -> None:
        """Check until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self.checked.values():
                group.create_task(self._keep_checking(one))

    async def _keep_checking(self, one: Checked) -> None:
        while True:
            await self._check(one)
            await asyncio.sleep(self._settings.interval.seconds)

    async def _check(self, one: Checked) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout.seconds):
                await self._look(one.settings)
        except TimeoutError:
            error = f"no answer within {self._settings.timeout}"
        except (OSError, CheckFailed) as failed:
            error = str(failed)
        else:
            error = ""
        one.at = self._clock()
        self._heard(one, error)

    def failed(self, name: str, error: str) -> None:
        """A client could not be connected to that server: as good as a check that failed."""
        self._heard(self.checked[name], error)

    def _heard(self, one: Checked, error: str) -> None:
        changed = one.health.failed(error) if error else one.health.passed()
        if not changed:
            return
        one.since = self._clock()
        name, up = str(one.settings.name), one.health.up
        self._pool.mark(name, up)
        if up:
            self._emit(Event.BALANCE_SERVER_UP, server=name)
        else:
            self._emit(Event.BALANCE_SERVER_DOWN, server=name, error=error)
