"""Clients of the virtual address at interfaces, spread over both nodes, whatever befalls these."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from appliance.balance.balancer import IDLE
from appliance.cli.errors import Exit
from appliance.monitor.events import Event
from tests.netns.idle import idle_client
from tests.netns.lab import BACK, CLIENT, CLIENT6, FRONT, VIRTUAL, VIRTUAL6, Host, Lab
from tests.netns.twinpost import LabNode, Twinpost, Wiring, virtual_endpoints
from tests.netns.watch import Holders
from tests.pair.balanced import PROXIED, balance_of, send, traces
from tests.pair.harness import HTTP, Settings, until
from tests.pair.moving import twinpost
from tests.pair.verdict import told
from tests.support.patience import patiently

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_WEIGHTS = {"a": 2, "b": 3}

_SMTP = """\
proxy_listen = ["{address}:{proxied}"]
proxy_networks = ["192.0.2.11", "192.0.2.12"]
"""

_BALANCE = """
[balance]
listen = {listen}
checks = {{ interval = "100ms", timeout = "5s", rise = 1, fall = 2 }}
"""

_SERVER = """
[[balance.servers]]
name = "{name}"
address = "{address}:{proxied}"
weight = {weight}
check = "http"
check_address = "{address}:{http}"
"""

_NO_CHECKS = f"""\
table inet lab {{
    chain input {{
        type filter hook input priority 0
        tcp dport {HTTP} reject with tcp reset
    }}
}}
"""


class BalancedNode(LabNode):
    """One node, with a balancer for both at the virtual addresses."""

    services = (*LabNode.services, "balance")

    @property
    def listen(self) -> Sequence[str]:
        """The virtual addresses are the balancer's."""
        return super().listen[:1]

    @property
    def smtp_table(self) -> str:
        """The port for balancers."""
        return _SMTP.format(address=self.address, proxied=PROXIED)

    @property
    def tables(self) -> str:
        """The balancer."""
        listen = ", ".join(f'"{one}"' for one in virtual_endpoints(self.routers))
        return _BALANCE.format(listen=f"[{listen}]") + "".join(
            _SERVER.format(
                name=host.name,
                address=host.addresses[FRONT],
                proxied=PROXIED,
                weight=_WEIGHTS[host.name],
                http=HTTP,
            )
            for host in sorted((self.host, self.peer), key=lambda one: one.name)
        )


class Balanced(Twinpost):
    """Both nodes."""

    node_type = BalancedNode

    async def finds(self, host: Host, *states: str) -> None:
        """Return when the balancer on a host has found servers a and b in such states."""

        async def so() -> bool:
            view = await balance_of(self.node(host))
            return view is not None and [server.state for server in view.servers] == list(states)

        await until(so, f"the balancer on {host.name} finds its servers {states}")


class Clients:
    """Sends mail to alice from the client's host; `share` tells who took what, and from whom."""

    def __init__(self, pair: Balanced) -> None:
        self._pair = pair
        self._seen = Counter[tuple[str, str]]()

    async def share(self, many: int, virtual: str = VIRTUAL, source: str = CLIENT) -> list[int]:
        """Send so many; returns how many node a took and how many node b."""
        for number in range(many):
            await send(virtual, source, f"{number}")
        host = await until(self._somebody, "a node answers")
        found = Counter(await traces(self._pair.node(host), self._seen.total() + many))
        new, self._seen = found - self._seen, found
        name = f"IPv6:{source}" if ":" in source else source
        assert {client for client, _ in new} == {name}
        return [new[name, f"{node.name}.site.test"] for node in self._pair.nodes]

    async def _somebody(self) -> Host | None:
        for host in self._pair.lab.nodes:
            if await self._pair.node(host).status() is not None:
                return host
        return None


async def test_clients_are_spread_whatever_befalls_the_nodes(lab: Lab, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        holders = await stack.enter_async_context(Holders(lab))
        settings = Settings(hop="127.0.0.1:9", clients="192.0.2.0/24")
        pair = await stack.enter_async_context(Balanced(lab, tmp_path, settings, Wiring.TWO))
        active = await holders.settled()
        for host in lab.nodes:
            await pair.finds(host, "up", "up")
        clients = Clients(pair)
        await _clients_are_known_and_shared_by_weight(pair, clients)
        await _operators_change_shares(pair.node(active), clients)
        active = await _the_address_moves_as_planned(pair, holders, active, clients)
        await _the_active_node_loses_power(pair, holders, active, clients)
        await _every_check_fails(pair, await holders.settled(), clients)


async def _clients_are_known_and_shared_by_weight(pair: Balanced, clients: Clients) -> None:
    assert await clients.share(10) == [4, 6]
    assert await clients.share(5, VIRTUAL6, CLIENT6) == [2, 3]
    for node in pair.nodes:
        logged = {event["client"] for event in told(node, Event.SMTP_ACCEPTED)}
        assert logged == {CLIENT, CLIENT6}


async def _operators_change_shares(node: LabNode, clients: Clients) -> None:
    assert await twinpost(node, "balance", "set-weight", "b", "1") == Exit.OK
    assert await clients.share(3) == [2, 1]
    assert await twinpost(node, "balance", "drain", "a") == Exit.OK
    assert await clients.share(3) == [0, 3]
    assert await twinpost(node, "balance", "drain", "b") == Exit.NEGATIVE  # who would be left?
    assert await twinpost(node, "balance", "resume", "a") == Exit.OK
    assert await twinpost(node, "balance", "set-weight", "b", "3") == Exit.OK
    assert await clients.share(5) == [2, 3]


async def _the_address_moves_as_planned(
    pair: Balanced, holders: Holders, active: Host, clients: Clients
) -> Host:
    """A client that just waits learns of it, what was drained stays so; returns who is Active."""
    assert await twinpost(pair.node(active), "balance", "drain", "a") == Exit.OK
    async with idle_client(VIRTUAL) as (reader, _):
        await asyncio.sleep(IDLE)
        await pair.switch_over(active)
        assert await patiently(reader.read()) == b""
    active = await holders.settled()
    await pair.finds(active, "drained", "up")
    await pair.node(active).kill_service("balance")
    await pair.node(active).ready()
    await pair.finds(active, "drained", "up")
    assert await clients.share(2) == [0, 2]
    assert await twinpost(pair.node(active), "balance", "resume", "a") == Exit.OK
    return active


async def _the_active_node_loses_power(
    pair: Balanced, holders: Holders, active: Host, clients: Clients
) -> None:
    (left,) = (host for host in pair.lab.nodes if host is not active)
    pair.lab.link_down(active, FRONT, BACK)
    pair.kill_node(active)
    pair.lab.clear(active)

    async def taken() -> bool:
        return holders.names == {left.name}

    await until(taken, f"{left.name} has the address alone")
    only = [0, 4] if active is pair.lab.a else [4, 0]
    assert await clients.share(4) == only  # also before a check has seen that one is gone
    await pair.finds(left, *("down" if host is active else "up" for host in pair.lab.nodes))
    pair.lab.link_up(active, FRONT, BACK)
    pair.revive(active)
    await pair.whole()
    await pair.finds(left, "up", "up")
    assert sorted(await clients.share(5)) == [2, 3]


async def _every_check_fails(pair: Balanced, active: Host, clients: Clients) -> None:
    for host in pair.lab.nodes:
        host.namespace.run("nft", "-f", "-", given=_NO_CHECKS)
    await pair.finds(active, "down", "down")
    assert await clients.share(4) == ([4, 0] if active is pair.lab.a else [0, 4])
