"""The other node's API over the real link of a real pair, and what that costs replication."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import Status
from tests.pair.harness import Cluster, Node, Settings, until


def _read(node: Node, path: str) -> bytes:
    client = Client(node.layout.control_socket)
    connection, response = client._ask("GET", path)
    try:
        return response.read()
    finally:
        connection.close()


async def _peer(node: Node) -> str | None:
    try:
        body = await asyncio.to_thread(_read, node, "/peer/status")
    except (ApiError, NotRunning):
        return None
    return msgspec.json.decode(body, type=Status).name


async def test_each_node_shows_the_other(tmp_path: Path) -> None:
    async with Cluster(tmp_path, Settings(hop="127.0.0.1:9")) as cluster:
        assert await until(partial(_peer, cluster.a), "a shows b") == "b"
        assert await until(partial(_peer, cluster.b), "b shows a") == "a"
        # A control process that starts anew is there again for the other node.
        await cluster.b.kill_service("control")
        assert await until(partial(_peer, cluster.a), "a shows b again") == "b"
        # So is a mail process.
        await cluster.a.kill_service("mail")
        assert await until(partial(_peer, cluster.a), "a shows b over a new link") == "b"
        cluster.b.kill()
        await cluster.a.is_("solo")
        with pytest.raises(ApiError) as caught:
            await asyncio.to_thread(_read, cluster.a, "/peer/status")
        assert caught.value.failure.code == "unavailable"
        assert caught.value.failure.hint
