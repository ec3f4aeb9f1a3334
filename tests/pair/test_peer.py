"""The other node's API over the real link of a real pair, and what that costs replication."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.roles import Role
from appliance.control.schema import Status
from tests.pair.harness import Cluster, Node, Settings, until

_PASSWORD = "a-canary-that-sings"


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


async def test_an_operator_is_one_on_both_nodes(tmp_path: Path) -> None:
    async with Cluster(tmp_path, Settings(hop="127.0.0.1:9")) as cluster:
        a, b = (Client(node.layout.control_socket) for node in cluster.nodes)
        first = await asyncio.to_thread(a.who_am_i)
        assert first.first_run
        await asyncio.to_thread(a.add_operator, "anna", Role.ADMINISTRATOR, _PASSWORD)
        await asyncio.to_thread(b.add_operator, "bert", Role.VIEWER, _PASSWORD)
        sessions = []
        for client in (a, b):
            opened = await asyncio.to_thread(client.log_in, "bert", _PASSWORD)
            sessions.append(Client(client._path, session=opened.token))
        for session in sessions:
            assert (await asyncio.to_thread(session.who_am_i)).name == "bert"
        # With the role that bert has here, on the other node.
        peer = Client(a._path, session=sessions[0]._session, other=True)
        assert (await asyncio.to_thread(peer.status)).name == "b"
        with pytest.raises(ApiError) as caught:
            await asyncio.to_thread(peer.maintain, True, False)
        assert caught.value.failure.code == "forbidden"
        # What is decided on one node ends the session on the other.
        await asyncio.to_thread(a.change_operator, "bert", "disable")

        async def ended() -> bool:
            try:
                await asyncio.to_thread(sessions[1].who_am_i)
            except ApiError as error:
                return error.failure.code == "unauthorized"
            return False

        await until(ended, "the session on b ended")
        logs = [node.layout.log_file("control").read_text() for node in cluster.nodes]
    told = [
        msgspec.json.decode(line) for log in logs for line in log.splitlines() if "audit" in line
    ]
    assert not any(_PASSWORD in log for log in logs)
    assert {(one["action"], one["by"], one["outcome"], one.get("via")) for one in told} >= {
        ("maintenance", "bert", "forbidden", "the other node"),
        ("log in", "bert", "done", None),
    }
