"""Servers are checked on their own, and the pool hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from appliance.balance.checker import Checker
from appliance.balance.checks import CheckFailed
from appliance.config.balance import CheckSettings, ServerSettings
from appliance.config.units import Duration
from appliance.monitor.events import Event
from appliance.pools.algorithms import Pool, Server, Weighted
from tests.support.patience import patiently
from tests.unit.balance.support import Log, server


class World:
    def __init__(self, look: Callable[[ServerSettings], Awaitable[None]]) -> None:
        self.log = Log()
        self.pool = Pool([Server("a"), Server("b")], Weighted(), "a")
        self.now = 100
        self.checker = Checker(
            [server("a", 1), server("b", 2)],
            CheckSettings(interval=Duration(1), timeout=Duration(20), rise=2, fall=3),
            self.pool,
            look,
            self.log,
            lambda: self.now,
        )


@asynccontextmanager
async def checking(look: Callable[[ServerSettings], Awaitable[None]]) -> AsyncIterator[World]:
    world = World(look)
    running = asyncio.create_task(world.checker.run())
    yield world
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_down_and_up_again() -> None:
    broken = True

    async def look(wanted: ServerSettings) -> None:
        if wanted.name == "b" and broken:
            raise CheckFailed("greeting: 421 full")

    async with checking(look) as world:
        down = await world.log.seen(Event.BALANCE_SERVER_DOWN)
        assert down == {"server": "b", "error": "greeting: 421 full"}
        assert (world.pool["a"].up, world.pool["b"].up) == (True, False)
        assert world.checker.checked["b"].health.error == "greeting: 421 full"
        world.now, broken = 200, False
        assert await world.log.seen(Event.BALANCE_SERVER_UP) == {"server": "b"}
        assert world.pool["b"].up
        assert (world.checker.checked["a"].since, world.checker.checked["b"].since) == (100, 200)
        assert world.checker.checked["b"].at == 200


async def test_a_server_that_does_not_answer_keeps_no_other_waiting() -> None:
    looked: list[str] = []

    async def look(wanted: ServerSettings) -> None:
        looked.append(wanted.name)
        if wanted.name == "a":
            await asyncio.Event().wait()

    async with checking(look) as world:
        down = await world.log.seen(Event.BALANCE_SERVER_DOWN)
        assert down == {"server": "a", "error": "no answer within 20ms"}
        assert looked.count("b") > 1


async def test_connections_that_fail_count() -> None:
    looked = asyncio.Queue[str]()

    async def look(wanted: ServerSettings) -> None:
        await looked.put(wanted.name)

    world = World(look)
    world.checker.failed("b", "Connection refused")
    assert not world.pool["b"].up  # it was never checked: the first failure is enough
    async with checking(look) as world:
        names = ""
        while names.count("b") < 2:  # then its first check is over
            names += await patiently(looked.get())
        for up in (True, True, False):
            world.checker.failed("b", "Connection refused")
            assert world.pool["b"].up == up
