"""Pairing over the control API: two nodes' sockets, the real ceremony between them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from appliance.config import Layout
from appliance.config.document import checked
from appliance.config.node import LinkSettings, PathSettings
from appliance.config.site import SiteSettings
from appliance.config.units import NumericEndpoint
from appliance.control.client import ApiError, Client
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.pairing import PairingApi
from appliance.control.schema import Failure
from appliance.link.ceremony import Limits
from appliance.link.identity import KeyStore
from appliance.monitor.events import Event
from appliance.services.clock import monotonic
from appliance.services.introductions import Introductions
from appliance.services.pairing import Pairings
from tests.support.control import MAIL, PEER, Failover, Mail, Reader, Tls
from tests.support.operators import Door

P = ParamSpec("P")
T = TypeVar("T")


SITE = checked({"domains": ["site.test"]}, SiteSettings, "site")
_NODE = """\
name = "{name}"
hostname = "{name}.site.test"
smtp.listen = ["127.0.0.1:2525"]
link = {{ listen = "{link.listen}", pairing = "{link.pairing}" }}
failover.listen = ["127.0.0.{host}:2528"]
failover.binder = "loopback"
failover.routers = [{{ vrid = 1, addresses = ["127.0.0.10"], priority = 100 }}]
"""


def free() -> NumericEndpoint:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return NumericEndpoint.parse(f"127.0.0.1:{server.getsockname()[1]}")


def _quiet(event: Event, queue_id: str = "", **values: object) -> None:
    """Tells nobody."""


class Node:
    def __init__(self, folder: Path, lifetime: float = 600.0) -> None:
        folder.mkdir()
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.path = folder / "control.sock"
        self.client = Client(self.path)
        self.link = LinkSettings(listen=free(), pairing=free())
        self.mail = Mail()
        self.mail.shown = msgspec.structs.replace(MAIL, peer=None)
        self.restarted = asyncio.Event()
        self.door = Door()
        layout = Layout(folder, PathSettings())
        layout.node_toml.write_text(
            _NODE.format(name=folder.name, link=self.link, host=ord(folder.name[0]) % 100)
        )
        self.introductions = Introductions(layout, lambda: SITE)
        self.pairings = Pairings(
            self.keys,
            self.link,
            monotonic,
            self.restarted.set,
            _quiet,
            self.introductions,
            Limits(lifetime, 2),
        )
        identity = Identity("a", "a.site.test", "1.0", (), True)
        moves = Moves(Failover(), self.mail, folder / "maintenance")
        self.observer = Observer(identity, folder, folder / "x", Reader(), self.mail, moves, Tls())
        PairingApi(self.observer, self.pairings).add_to(self.door.handlers)

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(call, *args, **kwargs)

    async def fails(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Failure:
        with pytest.raises(ApiError) as caught:
            await asyncio.to_thread(call, *args, **kwargs)
        return caught.value.failure


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    pair = Node(tmp_path / "a"), Node(tmp_path / "b")
    async with AsyncExitStack() as stack:
        for node in pair:
            application = node.door.handlers.application
            await stack.enter_async_context(serving(application, node.path, web.Application(), []))
        yield pair
        for node in pair:
            await node.pairings.close()
            node.observer.close()


async def test_two_nodes_pair_and_start_anew(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    before = await a.ask(a.client.pair)
    assert (before.peer, before.attempt, before.link) == (None, None, None)
    invited = await a.ask(a.client.invite)
    waiting = (await a.ask(a.client.pair)).attempt
    assert waiting is not None
    assert (waiting.state, waiting.tries_left) == ("waiting", 2)
    assert 0 < (waiting.expires_in or 0) <= 600_000
    assert (await a.ask(a.client.invitation)).code == invited.code
    said = await b.ask(b.client.join_pair, invited.code.lower(), invited.at)
    assert KeyStore(a.keys).identity().node_id.hex() in said
    for node in nodes:
        await node.restarted.wait()
    views = [await node.ask(node.client.pair) for node in nodes]
    assert [view.attempt.state for view in views if view.attempt] == ["paired", "paired"]
    assert [view.peer.node_id for view in views if view.peer] == [
        view.node_id for view in reversed(views)
    ]
    assert (await a.fails(a.client.invitation)).code == "not_found"
    # Paired as they are, nobody else is invited by mistake.
    failure = await a.fails(a.client.invite)
    assert (failure.code, "replace" in failure.hint) == ("refused", True)


async def test_what_a_code_comes_to(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    invited = await a.ask(a.client.invite)
    failure = await b.fails(b.client.join_pair, "no code", invited.at)
    assert (failure.code, "no code" in json.dumps(b.door.told)) == ("bad_request", False)
    assert (await b.fails(b.client.join_pair, invited.code, "nowhere")).code == "bad_request"
    older = invited.code
    invited = await a.ask(a.client.invite)  # another code: the one before is good no more
    failure = await b.fails(b.client.join_pair, older, invited.at)
    assert (failure.code, bool(failure.hint)) == ("refused", True)
    tried = (await b.ask(b.client.pair)).attempt
    assert tried is not None
    assert (tried.kind, tried.state, bool(tried.error)) == ("join", "failed", True)
    await a.ask(a.client.cancel_invitation)
    assert (await a.ask(a.client.pair)).attempt is None
    assert (await b.fails(b.client.join_pair, invited.code, invited.at)).code == "refused"
    assert not a.restarted.is_set()
    told = json.dumps([*a.door.told, *b.door.told], default=str)
    assert invited.code not in told
    assert older not in told


async def test_a_code_expires(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.pairings._limits = Limits(0.0, 2)
    await a.ask(a.client.invite)
    await asyncio.sleep(0)  # the loop turns once: the code's time is over
    failed = (await a.ask(a.client.pair)).attempt
    assert failed is not None
    assert (failed.state, "expired" in failed.error) == ("failed", True)


async def test_a_peer_that_lives_is_not_replaced(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.mail.shown = msgspec.structs.replace(MAIL, peer=PEER)
    failure = await a.fails(a.client.invite, True)
    assert (failure.code, bool(failure.hint)) == ("refused", True)


async def test_somebody_else_listens_there(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    with socket.create_server((a.link.pairing.host, a.link.pairing.port)):
        assert (await a.fails(a.client.invite)).code == "unavailable"
    assert (await a.ask(a.client.invite)).code
