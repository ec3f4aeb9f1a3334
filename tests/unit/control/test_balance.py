"""The balancer behind the control API: the real process's desk is tests/unit/balance's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.config.shares import TABLE
from appliance.control.balance import BalanceApi, BalanceProcess
from appliance.control.client import ApiError, Client
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.routes import Values
from appliance.control.schema import ServerChange
from appliance.control.server import Api
from appliance.ipc.balance import SERVER_CODEC, Call, Said, ShareCall, View
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer, serve
from appliance.ipc.wire import CallFailed, Failure
from appliance.mail.views import Unavailable
from tests.support.control import SERVER, Balance, Mail, Reader, Tls, handlers


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
            case ShareCall(name="c"):
                raise CallFailed(Failure("not found", "no server is named 'c'", permanent=True))
            case ShareCall(weight=0):
                raise CallFailed(Failure("refused", "a weight is 1 to 1000", "drain it"))
        return View(Balance().shown)


class Registers:
    """The table of shares, as the mail process keeps it and the spool tells it."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.while_alone: list[bool] = []
        self.away = False

    async def put_registers(self, values: Values, while_alone: bool) -> None:
        if self.away:
            raise Unavailable("the mail process is not there")
        self.while_alone.append(while_alone)
        for table, key, value in values:
            assert table == TABLE
            if value is None:
                del self.kept[key]
            else:
                self.kept[key] = value

    def table(self, name: str) -> Mapping[str, bytes]:
        assert name == TABLE
        return self.kept


class World:
    def __init__(self, folder: Path, desk: Desk, registers: Registers) -> None:
        self.registers = registers
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
    Api(observer).add_to(application)
    registers = Registers()
    BalanceApi(process, observer, registers, registers).add_to(application)
    async with serving(application.application, tmp_path / "control.sock", web.Application(), []):
        yield World(tmp_path, desk, registers)
    observer.close()
    if process is not None:
        process.close()
    server.close()


async def test_what_is_asked_for_is_asked_kept_and_done(world: World) -> None:
    assert await world.names() == ["a", "b"]
    world.desk.asked.clear()
    assert await world.change("a", ServerChange(weight=7)) == ("", "", "")
    assert await world.change("a", ServerChange(draining=True)) == ("", "", "")
    assert await world.change("a", ServerChange(weight=SERVER.configured)) == ("", "", "")
    assert await world.change("a", ServerChange(draining=False)) == ("", "", "")
    found = [one for one in world.desk.asked if isinstance(one, ShareCall)]
    assert [(one.ask, one.weight, one.draining) for one in found] == [
        (True, 7, False),
        (False, 7, False),
        (True, 7, True),
        (False, 7, True),
        (True, SERVER.configured, True),
        (False, None, True),  # as node.toml says: what that says later counts
        (True, None, False),
        (False, None, False),
    ]
    assert {one.by for one in found} != {""}
    assert world.registers.kept == {}
    assert all(while_alone for while_alone in world.registers.while_alone)


async def test_what_cannot_be_kept_is_not_done(world: World) -> None:
    world.registers.away = True
    code, _, _ = await world.change("a", ServerChange(draining=True))
    assert code == "unavailable"
    assert [one.ask for one in world.desk.asked if isinstance(one, ShareCall)] == [True]


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
