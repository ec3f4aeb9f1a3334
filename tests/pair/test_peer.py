"""A pair made over the control API; then each node is seen, and run, through the other one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec
import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.roles import Role
from tests.pair.harness import PATIENCE, Cluster, Node, Settings, until

P = ParamSpec("P")
T = TypeVar("T")
_PASSWORD = "a-canary-that-sings"


class Strangers(Cluster):
    """Two nodes that run before they know of each other, and are paired by their APIs."""

    async def _pair(self) -> None:
        """Not yet."""

    async def paired(self, patience: float = PATIENCE) -> None:
        for node in self.nodes:
            await node.ready()
        a, b = (Client(node.layout.control_socket) for node in self.nodes)
        invited = await _ask(a.invite)
        await _ask(b.join_pair, invited.code, invited.at)
        await super().paired(patience)


async def _ask(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(call, *args, **kwargs)


async def _peer(node: Node) -> str | None:
    try:
        return (await _ask(Client(node.layout.control_socket, other=True).status)).name
    except (ApiError, NotRunning):
        return None


async def test_two_nodes_know_each_other_and_their_operators(tmp_path: Path) -> None:
    async with Strangers(tmp_path, Settings(hop="127.0.0.1:9")) as cluster:
        assert await until(partial(_peer, cluster.a), "a shows b") == "b"
        assert await until(partial(_peer, cluster.b), "b shows a") == "a"
        await _operators(*(Client(node.layout.control_socket) for node in cluster.nodes))
        logs = [node.layout.log_file("control").read_text() for node in cluster.nodes]
        _check_audit(logs)
        await until(partial(_audited, cluster.a), "a tells what was done on b")
        cluster.b.kill()
        await cluster.a.is_("solo")
        with pytest.raises(ApiError) as caught:
            await _ask(Client(cluster.a.layout.control_socket, other=True).status)
        assert caught.value.failure.code == "unavailable"
        assert caught.value.failure.hint


async def _audited(node: Node) -> bool:
    """Whether the audit of both nodes is there."""
    command = node.command("audit", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return {one["node"] for one in json.loads(out or b'{"events": []}')["events"]} == {"a", "b"}


async def _operators(a: Client, b: Client) -> None:
    """Whoever is one on either node is one on both, with the same role."""
    assert (await _ask(a.who_am_i)).first_run
    await _ask(a.add_operator, "anna", Role.ADMINISTRATOR, _PASSWORD)
    await _ask(b.add_operator, "bert", Role.VIEWER, _PASSWORD)
    here, there = [
        Client(client._path, session=(await _ask(client.log_in, "bert", _PASSWORD)).token)
        for client in (a, b)
    ]
    assert (await _ask(here.who_am_i)).name == (await _ask(there.who_am_i)).name == "bert"
    peer = Client(here._path, session=here._session, other=True)
    assert (await _ask(peer.status)).name == "b"
    with pytest.raises(ApiError) as caught:
        await _ask(peer.maintain, True, False)
    assert caught.value.failure.code == "forbidden"
    # What is decided on one node ends the session on the other.
    await _ask(a.change_operator, "bert", "disable")

    async def ended() -> bool:
        try:
            await _ask(there.who_am_i)
        except ApiError as error:
            return error.failure.code == "unauthorized"
        return False

    await until(ended, "the session on b ended")


def _check_audit(logs: list[str]) -> None:
    assert not any(_PASSWORD in log for log in logs)
    lines = [line for log in logs for line in log.splitlines() if '"event":"audit"' in line]
    told = [msgspec.json.decode(line) for line in lines]
    assert {(one["action"], one["by"], one["outcome"], one.get("via")) for one in told} >= {
        ("maintenance", "bert", "forbidden", "the other node"),
        ("log in", "bert", "done", None),
    }
    actions = [one["action"] for one in told]
    assert actions.count("invite a node") == actions.count("join a node") == 1
