"""What operators see of the balancer and can do while it runs, over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appliance.balance.checker import Checker
from appliance.balance.desk import Desk
from appliance.balance.shares import Shares
from appliance.config.balance import CheckSettings, ServerSettings
from appliance.ipc.balance import (
    CLIENT_CODEC,
    SERVER_CODEC,
    BalanceView,
    Call,
    ShareCall,
    View,
    ViewCall,
)
from appliance.ipc.client import Client, connect
from appliance.ipc.server import serve
from appliance.ipc.wire import CallFailed
from appliance.monitor.events import Event
from tests.support.patience import patiently
from tests.unit.balance.support import Upstream, World, balancing, named, settings


class Office:
    """A balancer for servers a and b, and somebody who asks."""

    def __init__(self, world: World, checker: Checker, client: Client[Call, View]) -> None:
        self.world = world
        self.checker = checker
        self._client = client

    async def ask(self, call: Call) -> BalanceView:
        return (await patiently(self._client.request(call, View))).view

    async def refused(self, call: Call) -> tuple[str, str, str]:
        with pytest.raises(CallFailed) as caught:
            await self.ask(call)
        failure = caught.value.failure
        assert failure.permanent
        return failure.code, failure.text, failure.hint


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async def look(server: ServerSettings) -> None:
        """Nobody runs the checks here."""

    async with Upstream("a", named("a")) as a, Upstream("b", named("b")) as b:
        wanted = settings(a.settings, b.settings)
        async with balancing(wanted) as world:
            checker = Checker(
                wanted.servers, CheckSettings(), world.pool, look, world.log, lambda: 5
            )
            shares = Shares(wanted.servers, "a", world.pool, world.log)
            desk = Desk("weighted", "a", world.pool, checker, world.balancer, shares, lambda: 12)
            server = await serve(tmp_path / "balance.sock", SERVER_CODEC, desk)
            client = await connect(tmp_path / "balance.sock", CLIENT_CODEC)
            yield Office(world, checker, client)
            client.close()
            server.close()
    for _ in range(3):  # let the loop close what was told to close
        await asyncio.sleep(0)


async def test_view(office: Office) -> None:
    reader, writer = await office.world.connect()
    assert await patiently(reader.readline()) == b"a\r\n"
    office.checker.failed("b", "greeting: 421 full")
    view = await office.ask(ViewCall())
    a, b = view.servers
    assert (view.algorithm, view.clients, view.refused) == ("weighted", 1, 0)
    assert view.listening == ("127.0.0.1:0",)
    assert (a.name, a.own, a.state, a.connections, a.served, a.checked) == (
        "a", True, "up", 1, 1, None,
    )  # fmt: skip
    assert (b.own, b.state, b.up, b.error, b.since) == (
        False, "down", False, "greeting: 421 full", 7,
    )  # fmt: skip
    writer.close()


async def test_weights_change_while_it_runs(office: Office) -> None:
    view = await office.ask(ShareCall("b", 3, False, "uid 0"))
    assert [server.weight for server in view.servers] == [1, 3]
    clients = [await office.world.connect() for _ in range(4)]
    said = [await patiently(reader.readline()) for reader, _ in clients]
    assert sorted(said) == [b"a\r\n", b"b\r\n", b"b\r\n", b"b\r\n"]
    for _, writer in clients:
        writer.close()
    assert await office.world.log.seen(Event.COMMAND) == {
        "action": "weigh", "by": "uid 0", "server": "b", "weight": 3,
    }  # fmt: skip


async def test_drain_and_resume(office: Office) -> None:
    reader, writer = await office.world.connect()
    assert await patiently(reader.readline()) == b"a\r\n"
    view = await office.ask(ShareCall("a", None, True, "uid 0"))
    assert [server.state for server in view.servers] == ["draining", "up"]
    writer.close()
    await office.world.balancer.idle()
    view = await office.ask(ViewCall())
    assert [server.state for server in view.servers] == ["drained", "up"]
    view = await office.ask(ShareCall("a", None, False, "uid 0"))
    assert [server.state for server in view.servers] == ["up", "up"]


async def test_what_is_only_asked_is_not_done(office: Office) -> None:
    view = await office.ask(ShareCall("a", 7, True, "uid 0", ask=True))
    assert [(one.weight, one.state) for one in view.servers] == [(1, "up"), (1, "up")]


async def test_what_is_refused(office: Office) -> None:
    unknown = ("not found", "no server is named 'c': there are a, b", "")
    assert await office.refused(ShareCall("c", 1, False, "uid 0")) == unknown
    assert await office.refused(ShareCall("c", None, True, "uid 0")) == unknown
    for weight in (0, -1, 1001):
        code, text, _ = await office.refused(ShareCall("a", weight, False, "uid 0"))
        assert (code, text) == ("refused", f"a weight is 1 to 1000, not {weight}")
    await office.ask(ShareCall("a", None, True, "uid 0"))
    code, text, _ = await office.refused(ShareCall("b", None, True, "uid 0"))
    assert (code, text) == ("refused", "b is the last server that is not draining")
