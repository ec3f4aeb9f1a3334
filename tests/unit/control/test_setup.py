"""Setting up over the control API: the real machine, without a word to any network."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.control.client import ApiError, Client
from appliance.control.listen import serving
from appliance.control.roles import Role
from appliance.control.setup import Configured, SetupApi
from appliance.services.setup import ThisMachine, clock_problem
from tests.support.operators import Door

_2026 = 1_796_000_000_000


class World:
    def __init__(self, folder: Path) -> None:
        self.now = _2026
        self.localtime = folder / "localtime"
        self.client = Client(folder / "control.sock")
        self.door = Door()
        SetupApi(
            Configured("a", "a.site.test", ("127.0.0.10",), False),
            ThisMachine(self.localtime),
            self.door.operators,
            lambda: ("site.test",),
            lambda: self.now,
            clock_problem,
        ).add_to(self.door.handlers)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    application = world.door.handlers.application
    async with serving(application, tmp_path / "control.sock", web.Application(), []):
        yield world


async def test_what_is_set_up(world: World) -> None:
    os.symlink("/usr/share/zoneinfo/Europe/Oslo", world.localtime)
    found = await asyncio.to_thread(world.client.setup)
    assert (found.name, found.domains, found.first_run, found.paired) == (
        "a",
        ("site.test",),
        True,
        False,
    )
    assert (found.time_zone, found.now, found.clock_problem) == ("Europe/Oslo", _2026, "")
    kernel = {name for _, name in socket.if_nameindex()}
    assert {one.name for one in found.interfaces} == kernel - {"lo"}
    await asyncio.to_thread(world.client.add_operator, "ann", Role.ADMINISTRATOR, "long enough")
    assert not (await asyncio.to_thread(world.client.setup)).first_run


@pytest.mark.parametrize("year, now", [("1970", 0), ("2099", 4_082_000_000_000)])
async def test_a_clock_that_cannot_be_right(world: World, year: str, now: int) -> None:
    world.now = now
    found = await asyncio.to_thread(world.client.setup)
    assert year in found.clock_problem
    assert found.time_zone == ""


async def test_whether_a_peer_answers(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = f"127.0.0.1:{server.getsockname()[1]}"
        (found,) = await asyncio.to_thread(world.client.check_setup, peer=peer)
        assert found.ok
    (found,) = await asyncio.to_thread(world.client.check_setup, peer=peer)
    assert (found.ok, bool(found.hint)) == (False, True)


async def test_addresses_of_this_machine_and_of_no_network(world: World) -> None:
    (own,) = await asyncio.to_thread(world.client.check_setup, "127.0.0.1/8")
    (other,) = await asyncio.to_thread(world.client.check_setup, "127.9.9.9")
    assert (own.ok, other.ok) == (True, None)


@pytest.mark.parametrize("address, peer", [("nowhere", ""), ("", "host"), ("", "relay.test:25")])
async def test_what_makes_no_sense_is_refused(world: World, address: str, peer: str) -> None:
    with pytest.raises(ApiError) as caught:
        await asyncio.to_thread(world.client.check_setup, address, peer)
    assert caught.value.failure.code == "bad_request"
