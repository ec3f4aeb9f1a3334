"""A pair with a virtual address that moves, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from appliance.control.client import Client
from appliance.control.schema import Transition
from appliance.failover.router import State
from appliance.ipc.failover import RouterView
from tests.pair.harness import SERVICES, SMTP, Cluster, Node, Settings, until

HEARTBEAT = 2528
PRIORITIES = {"a": 200, "b": 150}

_FAILOVER = """
[failover]
binder = "loopback"

[[failover.paths]]
listen = "{address}:{heartbeat}"
peer = "{peer}:{heartbeat}"

[[failover.routers]]
vrid = 1
addresses = ["{virtual}"]
priority = {priority}
"""


class MovingNode(Node):
    """One node that may hold the virtual address."""

    services = (*SERVICES, "failover")

    def __init__(self, name: str, own: str, peer: str, virtual: str, data: Path) -> None:
        super().__init__(name, own, data)
        self._peer = peer
        self._virtual = virtual

    def write(self, settings: Settings, peer: str) -> None:
        """Write its settings: those of every pair, and the virtual address."""
        super().write(settings, peer)
        path = self.data / "node.toml"
        own = f'listen = ["{self.address}:{SMTP}"'
        node = path.read_text(encoding="ascii").replace(own, f'{own}, "{self._virtual}:{SMTP}"')
        node += _FAILOVER.format(
            address=self.address,
            peer=self._peer,
            virtual=self._virtual,
            heartbeat=HEARTBEAT,
            priority=PRIORITIES[self.name],
        )
        path.write_text(node, encoding="ascii")

    async def router(self) -> RouterView | None:
        """How its virtual router is, None while there is nobody to ask."""
        status = await self.status()
        return status.failover.routers[0] if status and status.failover else None

    async def history(self) -> Sequence[Transition]:
        """Its own last transitions, newest first."""
        client = Client(self.layout.control_socket)
        found = await asyncio.to_thread(client.history, 20)
        return [one for one in found if one.node == self.name]


class Moving(Cluster):
    """Both nodes; either may have got the virtual address first."""

    a: MovingNode
    b: MovingNode

    def __init__(self, folder: Path, settings: Settings, virtual: str) -> None:
        a, b = settings.addresses
        self.virtual = virtual
        self.a = MovingNode("a", a, b, virtual, folder / "a")
        self.b = MovingNode("b", b, a, virtual, folder / "b")
        self.nodes = (self.a, self.b)
        self._settings = settings

    async def active(self) -> MovingNode:
        """The node that holds the address, once one does and the other knows."""

        async def look() -> MovingNode | None:
            routers = [await node.router() for node in (self.a, self.b)]
            for node, own, other in zip((self.a, self.b), routers, routers[::-1], strict=True):
                if own and other and own.held and other.peer_active:
                    return node
            return None

        return await until(look, "a node is Active")

    async def takes_over(self, node: MovingNode) -> None:
        """Return when the node has the address."""

        async def look() -> bool:
            router = await node.router()
            return router is not None and router.held and router.state == State.ACTIVE

        await until(look, f"{node.name} takes over")

    def other(self, node: MovingNode) -> MovingNode:
        """The one that is not `node`."""
        return self.b if node is self.a else self.a


async def twinpost(node: Node, *words: str) -> int:
    """Run a command against the node; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        *node.command(*words), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()
