"""A node to talk to: real settings, a real control socket, stand-ins behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.cli.main import run
from appliance.control.alerts import AlertsApi
from appliance.control.balance import BalanceApi
from appliance.control.events import Events
from appliance.control.figures import History, HistoryApi
from appliance.control.history import FailoverHistoryApi
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.routes import RoutesApi
from appliance.control.search import SearchApi
from appliance.control.server import Api, Public
from appliance.control.site import SiteApi
from appliance.control.watch import Watch
from tests.support.control import Balance, Failover, Mail, Reader, Tls, handlers
from tests.support.monitor import MOMENT, PEER_ALERTS, watched
from tests.support.routes import Delivery, Registers
from tests.support.routes import site as routes_site
from tests.support.search import Search
from tests.support.site import MemorySite
from tests.unit.monitor.log.rig import Node as KeptNode

NODE = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["127.0.0.1:2525"]
[link]
listen = "127.0.0.1:2526"
pairing = "127.0.0.1:2527"
"""
SITE = """\
domains = ["site.test"]
[users.bob]
"""


@dataclass
class Node:
    """Its data directory, and what stands behind its API."""

    data: Path
    reader: Reader
    mail: Mail
    failover: Failover
    balance: Balance
    site: MemorySite
    search: Search
    registers: Registers
    delivery: Delivery
    history: History
    watch: Watch

    def run(self, *arguments: str) -> int:
        """Run a command against this node; returns its exit code."""
        return run([*arguments, "--data", str(self.data)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "node.toml").write_text(NODE)
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def node(data: Path) -> Iterator[Node]:
    reader, mail, failover, balance = Reader(), Mail(), Failover(), Balance()
    search = Search()
    site = MemorySite({"domains": ["site.test"], "users": {"bob": {}}})
    moves = Moves(failover, mail, data / "maintenance")
    loop = asyncio.new_event_loop()
    stop, up = asyncio.Event(), threading.Event()
    identity = Identity("a", "a.site.test", "1.0", ("127.0.0.10",), True)
    registers, delivery = Registers(), Delivery()
    observer = Observer(
        identity,
        data,
        data / "processes.json",
        reader,
        mail,
        moves,
        Tls(),
        delivery,
        lambda: registers.table("pauses"),
    )

    history = History(data / "history.db", lambda: MOMENT, lambda *told, **more: None)

    watch = watched(observer, data)
    kept = KeptNode(data)

    async def serve() -> None:
        api, events = handlers(), Events(kept.reader)
        Api(observer).add_to(api)
        BalanceApi(balance, observer, registers, registers).add_to(api)
        SearchApi(search).add_to(api)
        RoutesApi(observer, routes_site, registers, registers, delivery, lambda: 7).add_to(api)
        SiteApi("a", observer, site, site).add_to(api)
        HistoryApi("a", history).add_to(api)
        FailoverHistoryApi(events, kept.catch_up).add_to(api)
        AlertsApi(
            "a", watch, lambda: PEER_ALERTS, lambda: 0, ("127.0.0.1", 25), "1.2.3", {}
        ).add_to(api)
        public = Public(observer, []).application()
        async with serving(api.application, data / "run" / "control.sock", public, []):
            up.set()
            await stop.wait()
        events.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(60)
    parts = (reader, mail, failover, balance, site, search, registers, delivery)
    yield Node(data, *parts, history, watch)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
    observer.close()
    kept.close()
    history.close()
    watch.close()
