"""The balancer behind the control API: the real process's desk is tests/unit/balance's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.control.balance import BalanceApi, BalanceProcess
from appliance.control.client import ApiError, Client
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.schema import ServerChange
from appliance.control.server import Api
from appliance.ipc.balance import SERVER_CODEC, Call, DrainCall, Said, View, WeighCall
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer, serve
from appliance.ipc.wire import CallFailed, Failure
from tests.support.control import Balance, Mail, Reader, Tls, handlers


class Desk:
    """What the balance process says."""

    def __init__(self) -> None:
        self.asked: list[Call] = []

    def connected(self, peer: Peer[Said, Call]) -> None: ...

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None: ...

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None: ...

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        self.asked.append(message)
        match message:
            case WeighCall(name="c"):
                raise CallFailed(Failure("not found", "no server is named 'c'", permanent=True))
            case WeighCall(weight=0):
                raise CallFailed(Failure("refused", "a weight is 1 to 1000", "drain it"))
        return View(Balance().shown)


class World:
    def __init__(self, folder: Path, desk: Desk) -> None:
        self.folder = folder
        self.desk = desk
        self._client = Client(folder / "control.sock")

    async def change(self, name: str, change: ServerChange) -> tuple[str, str, str]:
        """Empty if it was done."""
        try:
            await asyncio.to_thread(self._client.change_server, name, change)
        except ApiError as error:
            failure = error.failure
            return failure.code, failure.error, failure.hint
        return "", "", ""

    async def names(self) -> list[str]:
        view = await asyncio.to_thread(self._client.balance)
        return [server.name for server in view.servers]


@pytest_asyncio.fixture(params=[True])
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """`params`: whether the node has a balancer."""
    desk = Desk()
    server = await serve(tmp_path / "balance.sock", SERVER_CODEC, desk)
    process = BalanceProcess(tmp_path / "balance.sock") if request.param else None
    moves = Moves(None, Mail(), tmp_path / "maintenance")
    identity = Identity("a", "a.site.test", "1.0", (), True)
    observer = Observer(
        identity, tmp_path, tmp_path / "processes.json", Reader(), Mail(), moves, Tls()
    )
    application = handlers()
    Api(observer, tmp_path / "failover.log").add_to(application)
    BalanceApi(process).add_to(application)
    async with serving(application.application, tmp_path / "control.sock", web.Application(), []):
        yield World(tmp_path, desk)
    observer.close()
    if process is not None:
        process.close()
    server.close()


async def test_what_is_asked_for_is_done(world: World) -> None:
    assert await world.names() == ["a", "b"]
    assert await world.change("a", ServerChange(weight=7)) == ("", "", "")
    assert await world.change("b", ServerChange(draining=True)) == ("", "", "")
    _, weigh, drain = world.desk.asked
    assert isinstance(weigh, WeighCall)
    assert (weigh.name, weigh.weight) == ("a", 7)
    assert isinstance(drain, DrainCall)
    assert (drain.name, drain.draining) == ("b", True)
    assert weigh.by == drain.by != ""


async def test_what_is_not(world: World) -> None:
    unknown = ("not_found", "no server is named 'c'", "")
    assert await world.change("c", ServerChange(weight=1)) == unknown
    code, error, hint = await world.change("a", ServerChange(weight=0))
    assert (code, hint) == ("refused", "drain it")
    assert "a weight is 1 to 1000" in error
    for neither in (ServerChange(), ServerChange(weight=1, draining=True)):
        code, _, _ = await world.change("a", neither)
        assert code == "bad_request"


@pytest.mark.parametrize("world", [False], indirect=True)
async def test_a_node_without_a_balancer_says_so(world: World) -> None:
    code, error, hint = await world.change("a", ServerChange(weight=1))
    assert code == "refused"
    assert "this node has no balancer" in error
    assert "[balance]" in hint


async def test_a_balance_process_that_is_gone(world: World) -> None:
    (world.folder / "balance.sock").unlink()
    code, error, _ = await world.change("a", ServerChange(weight=1))
    assert code == "unavailable"
    assert "the balance process is not there" in error
