"""A message of 50 MiB through the whole pair costs no process more than a few MiB."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
from pathlib import Path

from appliance.control.client import Client
from tests.bench.load import Load
from tests.bench.processes import memory
from tests.pair.harness import Cluster, Node, Settings
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk

_SIZE = 50 << 20
_EXTRA = 8 << 20
_LINE = b"The quick brown fox jumps over the lazy dog and writes about it.\r\n"


def _message(size: int) -> bytes:
    head = f"Subject: large\r\nX-Bench-Token: large-{size}\r\n\r\n".encode()
    return head + _LINE * ((size - len(head)) // len(_LINE))


def _send(node: Node, message: bytes) -> str:
    with smtplib.SMTP(*node.smtp, local_hostname="client.test") as client:
        client.ehlo()
        client.mail("sender@site.test", [f"SIZE={len(message)}"])
        for recipient in ("alice@site.test", "lab@bench.example"):
            assert client.rcpt(recipient)[0] == 250
        code, text = client.data(message)
    assert code == 250, text
    return text.split()[-1].decode()


def _read(node: Node, queue_id: str) -> tuple[int, str]:
    """(size, digest) of the content as the control API gives it, without its Received field."""
    content = b"".join(Client(node.layout.control_socket).content(queue_id))
    mail = content[content.index(b"Subject: ") :]
    return len(mail), hashlib.sha256(mail).hexdigest()


def _highest(cluster: Cluster) -> dict[str, int]:
    """The most memory that each process of the pair has ever had."""
    return {
        f"{process} of {node.name}": highest
        for node in cluster.nodes
        for root in node.pids[:1]
        for process, highest in memory(root).items()
    }


async def _warm_up(cluster: Cluster, hop: NextHop) -> None:
    """Let every process do what costs memory once: code, caches, buffers."""
    for node in cluster.nodes:
        first = await asyncio.to_thread(_send, node, _message(300 << 10))
        await hop.sink.wait(1, 0, 60.0)
        for reader in cluster.nodes:
            await asyncio.to_thread(_read, reader, first)
    await at_rest(cluster)


async def test_a_large_message_is_streamed_all_the_way(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        await _warm_up(cluster, hop)
        before = _highest(cluster)
        message = _message(_SIZE)
        queue_id = await asyncio.to_thread(_send, cluster.a, message)
        await hop.sink.wait(2, 0, 120.0)
        await at_rest(cluster)
        expected = len(message), hashlib.sha256(message).hexdigest()
        for node in cluster.nodes:
            assert await asyncio.to_thread(_read, node, queue_id) == expected
        after = _highest(cluster)
        extra = {name: after[name] - before[name] for name in before}
        assert max(extra.values()) <= _EXTRA, extra
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)


async def test_a_large_message_is_streamed_to_a_peer_that_comes_back(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        await _warm_up(cluster, hop)
        cluster.b.kill()
        await cluster.a.is_("solo")
        message = _message(_SIZE)
        queue_id = await asyncio.to_thread(_send, cluster.a, message)
        await hop.sink.wait(2, 0, 120.0)
        small = Flow(Load(to=cluster.a.smtp, run="small", connections=4))
        async with Flows(small):
            await small.accepts(4000)  # by then SQLite's page cache has its size
            before = _highest(cluster)["mail of a"]
            cluster.b.start()
            await cluster.paired()
        await at_rest(cluster)
        assert _highest(cluster)["mail of a"] - before <= _EXTRA
        expected = len(message), hashlib.sha256(message).hexdigest()
        assert await asyncio.to_thread(_read, cluster.b, queue_id) == expected
        same_on_disk(cluster, tmp_path)
