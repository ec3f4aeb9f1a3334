"""Our pair in the lab: `twinpost node` in each node's namespace, paired by the real code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

import msgspec

from tests.netns.contender import INTERVAL, PRIORITIES, SMTP, signal_all
from tests.netns.lab import BACK, FRONT, PREFIX, PREFIX6, VIRTUAL, VIRTUAL6, Host, Lab
from tests.pair.harness import HTTP, LINK, PAIRING, SERVICES, Cluster, Node, Settings

HEARTBEAT = 2528

_NODE = """\
name = "{name}"
hostname = "{name}.site.test"
disk_reserve = "1MiB"

[smtp]
listen = {listen}
{smtp}

[http]
listen = ["{front}:{http}"]
status = ["192.0.2.0/24"]

[link]
listen = "{link}"
pairing = "127.0.0.1:{pairing}"
peer = "{peer}"

[pair]
head_delay = "200ms"
adopt_delay = "6s"

[failover]
interval = "{interval}ms"
{failover}
"""

_ROUTER = """
[[failover.routers]]
vrid = {vrid}
addresses = {addresses}
interface = "eth{bridge}"
priority = {priority}
"""

_PATH = """
[[failover.paths]]
listen = "{ours}:{port}"
peer = "{theirs}:{port}"
"""


class Wiring(Enum):
    """The bridges on which heartbeats travel. The peer link is on the last of them."""

    ONE = (FRONT,)
    TWO = (FRONT, BACK)


class VirtualRouter(msgspec.Struct, frozen=True):
    """Virtual addresses that move together, and each node's priority for them."""

    vrid: int
    addresses: Sequence[IPv4Interface | IPv6Interface]
    priorities: Mapping[str, int]


ONE_ROUTER = VirtualRouter(
    1, (ip_interface(f"{VIRTUAL}/{PREFIX}"), ip_interface(f"{VIRTUAL6}/{PREFIX6}")), PRIORITIES
)


def virtual_endpoints(routers: Iterable[VirtualRouter]) -> Sequence[str]:
    """Where SMTP is served at their addresses."""
    found = [one.ip for router in routers for one in router.addresses]
    return [f"[{one}]:{SMTP}" if one.version == 6 else f"{one}:{SMTP}" for one in found]


class LabNode(Node):
    """One node in its namespace."""

    services: Sequence[str] = (*SERVICES, "failover")
    routers: Sequence[VirtualRouter] = (ONE_ROUTER,)
    failover = ""
    """More lines for the table [failover]."""

    def __init__(self, host: Host, peer: Host, wiring: Wiring, data: Path) -> None:
        super().__init__(host.name, host.addresses[FRONT], data)
        self.host = host
        self.peer = peer
        self._wiring = wiring

    @property
    def link(self) -> str:
        """Where it listens for its peer."""
        return f"{self.host.addresses[self._wiring.value[-1]]}:{LINK}"

    @property
    def listen(self) -> Sequence[str]:
        """Where its mail process takes mail: its own address and the virtual ones."""
        return [f"{self.address}:{SMTP}", *virtual_endpoints(self.routers)]

    @property
    def smtp_table(self) -> str:
        """More lines for the table [smtp]."""
        return ""

    @property
    def tables(self) -> str:
        """More tables."""
        return ""

    def write(self, settings: Settings, peer: str) -> None:
        """Write its settings: those of every pair, and where it is in the lab."""
        super().write(settings, peer)
        node = _NODE.format(
            name=self.name,
            front=self.address,
            listen=json.dumps(self.listen),
            smtp=self.smtp_table,
            http=HTTP,
            link=self.link,
            pairing=PAIRING,
            peer=peer,
            interval=round(INTERVAL * 1000),
            failover=self.failover,
        )
        for router in self.routers:
            node += _ROUTER.format(
                vrid=router.vrid,
                addresses=json.dumps([str(one) for one in router.addresses]),
                bridge=FRONT,
                priority=router.priorities[self.name],
            )
        for bridge in self._wiring.value:
            ours, theirs = self.host.addresses[bridge], self.peer.addresses[bridge]
            node += _PATH.format(ours=ours, theirs=theirs, port=HEARTBEAT)
        node += self.tables
        (self.data / "node.toml").write_text(node, encoding="ascii")

    def command(self, *words: str) -> Sequence[str]:
        """A `twinpost` command, in the namespace."""
        return self.host.namespace.command(*super().command(*words))


class Twinpost(Cluster):
    """Both nodes; started by `async with`, with the client's namespace entered."""

    node_type: type[LabNode] = LabNode

    def __init__(self, lab: Lab, folder: Path, settings: Settings, wiring: Wiring) -> None:
        self.name = f"twinpost, {'one path' if wiring is Wiring.ONE else 'two paths'}"
        self.lab = lab
        a, b = (
            self.node_type(host, peer, wiring, folder / host.name)
            for host, peer in ((lab.a, lab.b), (lab.b, lab.a))
        )
        self.a, self.b, self.nodes = a, b, (a, b)
        self._on = {a.host: a, b.host: b}
        self._settings = settings

    def node(self, host: Host) -> LabNode:
        """The node on a host."""
        return self._on[host]

    async def whole(self) -> None:
        """Both run and are paired."""
        await self.paired()

    def pids(self, host: Host) -> Iterable[int]:
        """All its processes."""
        return self.node(host).pids

    def kill_node(self, host: Host) -> None:
        """All its processes at once."""
        self.node(host).kill()

    def kill_server(self, host: Host) -> None:
        """The mail process; the supervisor starts it again."""
        self._kill_service(host, "mail")

    def kill_failover(self, host: Host) -> None:
        """The process that holds the address; the supervisor starts it again."""
        self._kill_service(host, "failover")

    def _kill_service(self, host: Host, name: str) -> None:
        pid = self.node(host).service(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def kill_guardian(self, host: Host) -> None:
        """`twinpost node`, and only that."""
        signal_all(self.node(host).pids[:1], signal.SIGKILL)

    async def switch_over(self, host: Host) -> None:
        """As an operator does it."""
        switching = await asyncio.create_subprocess_exec(*self.node(host).command("switchover"))
        assert await switching.wait() == 0

    async def restart(self, host: Host) -> None:
        """As `systemctl restart` does it; returns when the pair is one again."""
        await self.node(host).stop()
        self.node(host).start()
        await self.whole()

    def revive(self, host: Host) -> None:
        """Start it again unless it runs."""
        node = self.node(host)
        if not node.alive:
            node.kill()
            node.start()
