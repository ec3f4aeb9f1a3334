"""Machines become nodes, and two of them a pair, by answers alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.config import load_node
from appliance.control.client import ApiError
from tests.pair.harness import until
from tests.pair.new_nodes import PASSWORD, NewNode, NewPair, send

pytestmark = pytest.mark.asyncio


async def test_two_machines_become_a_pair(tmp_path: Path) -> None:
    async with NewPair(tmp_path) as pair:
        a, b = pair.nodes
        await asyncio.to_thread(a.client.set_up, pair.first())
        await a.mode("solo")
        await _has_operator(a)
        code = (await asyncio.to_thread(a.client.invite)).code
        wrong = {**pair.second(code), "name": "a"}
        with pytest.raises(ApiError, match="both are called a"):
            await asyncio.to_thread(b.client.set_up, wrong)
        assert (await asyncio.to_thread(b.client.setup)).state == "first boot"
        await asyncio.to_thread(b.client.set_up, pair.second(code))
        for node in pair.nodes:
            await node.mode("paired")
        # Each hears the other: virtual addresses would be held twice if only the keys were known.
        for node in pair.nodes:
            assert await _heartbeats(node)
        await send(pair.virtual)
        await send(pair.hosts[1])
        await _has_operator(b)
        assert (await asyncio.to_thread(b.client.site)).document["domains"] == ["site.test"]
        assert not (b.layout.data / "setup.json").exists()


async def test_what_was_said_is_kept_over_a_power_cut_but_no_secret(tmp_path: Path) -> None:
    said = NewPair(tmp_path).first()
    node = NewNode(tmp_path / "c")
    try:
        node.start()
        await node.waits()
        await asyncio.to_thread(node.client.give_answers, said, "network")
        node.kill()
        node.start()
        await node.waits()
        kept = (await asyncio.to_thread(node.client.setup)).answers
        assert kept["network"] == said["network"]
        assert kept["administrator"] == {"name": "anna"}
        for file in node.layout.data.rglob("*"):
            assert not file.is_file() or PASSWORD not in file.read_text(errors="replace")
        assert node.stop() == 0
    finally:
        node.kill()


async def _has_operator(node: NewNode) -> None:
    async def look() -> bool:
        people = await asyncio.to_thread(node.client.operators)
        return [one.name for one in people] == ["anna"]

    await until(look, "the administrator is there")
    session = await asyncio.to_thread(node.client.log_in, "anna", PASSWORD)
    assert session.role == "administrator"
    assert not (node.layout.data / "first-operator.json").exists()


async def _heartbeats(node: NewNode) -> bool:
    async def look() -> bool:
        view = (await asyncio.to_thread(node.client.status)).failover
        return view is not None and bool(view.paths) and all(path.alive for path in view.paths)

    assert load_node(node.layout.node_toml).link.peer is not None
    return await until(look, "heartbeats come")
