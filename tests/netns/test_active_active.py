"""Two virtual routers: each node Active for one of them, and for both while the other cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from ipaddress import ip_interface
from pathlib import Path
from time import monotonic

import pytest

from appliance.cli.errors import Exit
from appliance.failover.router import State
from appliance.ipc.failover import FailoverView
from tests.netns.contender import SMTP
from tests.netns.faults import ProbeProcess
from tests.netns.idle import idle_client
from tests.netns.lab import CLIENT, FRONT, PREFIX, PREFIX6, VIRTUAL, Host, Lab
from tests.netns.probe import longest_gap
from tests.netns.report import NOTE
from tests.netns.settings import FULL
from tests.netns.test_faults import Record
from tests.netns.twinpost import HEARTBEAT, ONE_ROUTER, LabNode, Twinpost, VirtualRouter, Wiring
from tests.pair.harness import Settings, until
from tests.pair.moving import twinpost
from tests.pair.traffic import NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk
from tests.support.patience import patiently

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]
_SECOND, _SECOND6 = "192.0.2.13", "2001:db8::13"
_ROUTERS = (
    ONE_ROUTER,
    VirtualRouter(
        2,
        (ip_interface(f"{_SECOND}/{PREFIX}"), ip_interface(f"{_SECOND6}/{PREFIX6}")),
        {"a": ONE_ROUTER.priorities["b"], "b": ONE_ROUTER.priorities["a"]},
    ),
)
_OF = {router.vrid: {str(one.ip) for one in router.addresses} for router in _ROUTERS}
_MOMENT = 0.5  # seconds of probing before and after
_PATIENCE = 2.0  # seconds for an answer
_LONG = pytest.mark.skipif(not FULL, reason="one setting is enough but for `make test-net`")
_PATH6 = """
[[failover.paths]]
listen = "[{ours}]:{port}"
peer = "[{theirs}]:{port}"
"""


class _Node(LabNode):
    """Two virtual routers, and a third path for heartbeats: IPv6."""

    routers = _ROUTERS

    @property
    def tables(self) -> str:
        ours, theirs = self.host.address6, self.peer.address6
        return _PATH6.format(ours=ours, theirs=theirs, port=HEARTBEAT)


class _Preempting(_Node):
    failover = "preempt = true"


class ActiveActive(Twinpost):
    """Both nodes with both virtual routers; addresses come back by themselves if `preempt`."""

    def __init__(self, lab: Lab, folder: Path, settings: Settings, preempt: bool) -> None:
        self.node_type = _Preempting if preempt else _Node
        super().__init__(lab, folder, settings, Wiring.TWO)

    async def holding(self, a: Sequence[int], b: Sequence[int]) -> None:
        """Return when each node has the addresses of these virtual routers and no other."""

        async def so() -> bool:
            found = [_virtual(host) for host in self.lab.nodes]
            return found == [set().union(*(_OF[vrid] for vrid in each)) for each in (a, b)]

        await until(so, f"a holds {a}, b holds {b}")


def _virtual(host: Host) -> set[str]:
    """The virtual addresses that a host has: the kernel's word."""
    told = json.loads(host.namespace.run("ip", "-json", "address", "show", "dev", f"eth{FRONT}"))
    return {one["local"] for one in told[0]["addr_info"]} & set().union(*_OF.values())


class Clients:
    """Probes an address of each virtual router while something is done to the pair."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._tokens = set[str]()
        self._costs: list[str] = []

    @asynccontextmanager
    async def asking(self, deed: str) -> AsyncIterator[None]:
        """What is done meanwhile is what it costs them."""
        self._lab.forget_neighbours()
        run = deed.replace(" ", "-")
        with ExitStack() as stack:
            probes = [
                stack.enter_context(
                    ProbeProcess(self._lab, f"{run}-{number}", f"{to}:{SMTP}", _PATIENCE)
                )
                for number, to in enumerate((VIRTUAL, _SECOND6))
            ]
            await asyncio.sleep(_MOMENT)
            begun = monotonic()
            yield
            ended = monotonic()
            await asyncio.sleep(_MOMENT)
            seen = [await asyncio.to_thread(probe.finish) for probe in probes]
        gaps = [longest_gap(one.accepted, begun, ended) for one in seen]
        self._costs.append(f"{deed} {' and '.join(f'{1000 * gap:.0f}' for gap in gaps)} ms")
        self._tokens.update(*(one.tokens for one in seen))

    async def all_delivered(self, hop: NextHop) -> None:
        """Return when everything that got 250 is at the next hop."""

        async def arrived() -> bool:
            return hop.sink.seen.keys() >= self._tokens

        await until(arrived, "delivery of everything that got 250")

    def __str__(self) -> str:
        """How long the first and the second got no 250."""
        return "; ".join(self._costs)


@pytest.mark.parametrize(
    "preempt",
    [
        pytest.param(False, id="addresses stay"),
        pytest.param(True, id="addresses come back", marks=_LONG),
    ],
)
async def test_each_node_is_active_for_one(
    preempt: bool, lab: Lab, tmp_path: Path, record_property: Record
) -> None:
    async with AsyncExitStack() as stack:
        hop = await stack.enter_async_context(NextHop(CLIENT))
        settings = Settings(hop=hop.address, clients='192.0.2.0/24", "2001:db8::/64')
        pair = ActiveActive(lab, tmp_path, settings, preempt)
        await stack.enter_async_context(pair)
        clients = Clients(lab)
        if preempt:
            await _addresses_come_back(pair, clients)
        else:
            await _addresses_stay(pair, clients)
        for host in lab.nodes:
            assert all(path.alive for path in (await _view(pair.node(host))).paths)
        await clients.all_delivered(hop)
        view = await at_rest(pair)
        assert hop.repeated <= view.duplicates + view.doubts
        for node in pair.nodes:
            no_bad_signs(node)
        same_on_disk(pair, tmp_path)
    record_property(NOTE, f"active-active, {'' if preempt else 'no '}preemption: {clients}")


async def _addresses_stay(pair: ActiveActive, clients: Clients) -> None:
    a, b = (pair.node(host) for host in pair.lab.nodes)
    for node, vrid in ((a, 1), (b, 2)):
        if vrid not in await _active(node):
            assert await twinpost(node, "switchover", "--here", "--vrid", f"{vrid}") == Exit.OK
    await pair.holding([1], [2])
    async with clients.asking("link of a down"):
        pair.lab.link_down(a.host, FRONT)
        await pair.holding([], [1, 2])
    pair.lab.link_up(a.host, FRONT)
    await _fit(a)
    await pair.holding([], [1, 2])
    async with idle_client(VIRTUAL) as (reader, _), idle_client(_SECOND) as (stays, writer):
        async with clients.asking("switchover of one"):
            assert await twinpost(b, "switchover", "--vrid", "1") == Exit.OK
            await pair.holding([1], [2])
        assert (await patiently(reader.readline())).startswith(b"421 ")
        assert await patiently(reader.read()) == b""
        writer.write(b"NOOP\r\n")
        assert (await patiently(stays.readline())).startswith(b"250 ")
    async with clients.asking("b killed"):
        b.kill()
        await pair.holding([1, 2], [])
    b.start()
    await pair.whole()
    await _fit(b)
    await pair.holding([1, 2], [])


async def _addresses_come_back(pair: ActiveActive, clients: Clients) -> None:
    a, b = (pair.node(host) for host in pair.lab.nodes)
    await pair.holding([1], [2])
    assert await twinpost(b, "switchover", "--vrid", "2") == Exit.NEGATIVE  # it would come back
    async with clients.asking("link of a down"):
        pair.lab.link_down(a.host, FRONT)
        await pair.holding([], [1, 2])
    async with clients.asking("up again"):
        pair.lab.link_up(a.host, FRONT)
        await pair.holding([1], [2])
    async with clients.asking("b killed"):
        b.kill()
        await pair.holding([1, 2], [])
    async with clients.asking("b started"):
        b.start()
        await pair.whole()
        await pair.holding([1], [2])


async def _view(node: LabNode) -> FailoverView:
    status = await node.sees(lambda one: one.failover is not None, "failover")
    assert status.failover is not None
    return status.failover


async def _active(node: LabNode) -> set[int]:
    return {one.vrid for one in (await _view(node)).routers if one.state == State.ACTIVE}


async def _fit(node: LabNode) -> None:
    """Return when nothing but the other keeps the node from being Active."""

    async def so() -> bool:
        return all(one.priority == one.configured for one in (await _view(node)).routers)

    await until(so, f"{node.name} has its full priority")
