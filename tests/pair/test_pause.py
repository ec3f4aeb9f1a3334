"""A pause is the pair's: it holds on both nodes, through the death of the one it was made on."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

from appliance.control.client import Client
from appliance.control.schema import PauseChange
from tests.pair.harness import Cluster, Node, Settings, until
from tests.pair.traffic import NextHop


def send(node: Node, recipient: str, token: str) -> None:
    with smtplib.SMTP(*node.smtp) as smtp:
        text = f"X-Bench-Token: {token}\r\n\r\n".encode()
        smtp.sendmail("x@site.test", recipient, text)


async def change(node: Node, paused: bool, alone: bool = False) -> None:
    wanted = PauseChange("else.test", paused, "their disk is full", alone)
    await asyncio.to_thread(Client(node.layout.control_socket).pause, wanted)


async def acts(node: Node, paused: bool) -> None:
    """Wait until the node's delivery process knows."""
    word = '"event":"paused"' if paused else '"event":"resumed"'

    async def look() -> bool:
        return any(word in log.read_text() for log in (node.data / "log").glob("delivery.log*"))

    await until(look, f"{node.name}: {word}")


async def arrived(hop: NextHop, *tokens: str) -> None:
    async def look() -> bool:
        return set(tokens) <= set(hop.sink.seen)

    await until(look, f"the next hop has {tokens}")


async def test_a_pause_survives_the_node_it_was_made_on(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        a, b = cluster.nodes
        await change(a, paused=True)
        for node in (a, b):
            await acts(node, paused=True)
            status = await node.status()
            assert status is not None
            assert [one.what for one in status.paused] == ["else.test"]
        await asyncio.to_thread(send, a, "y@else.test", "paused-a")
        await asyncio.to_thread(send, b, "y@else.test", "paused-b")
        a.kill()
        await b.is_("solo")
        await b.kill_service("delivery")
        await b.ready()
        await asyncio.to_thread(send, b, "y@other.test", "free")
        await arrived(hop, "free")
        assert set(hop.sink.seen) == {"free"}
        await change(b, paused=False, alone=True)
        await arrived(hop, "paused-b")
        a.start()
        await cluster.paired()
        await arrived(hop, "paused-a")
        assert hop.repeated == 0
        for node in cluster.nodes:
            status = await node.sees(lambda status: not status.paused, "nothing paused")
            assert status.delivery is not None
