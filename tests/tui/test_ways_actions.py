"""Every action of routes and the balancer's servers, by its keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from appliance.control.client import Client
from appliance.control.schema import ServerChange
from tests.pair.harness import until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.control import serving
from tests.tui.screen import seen
from tests.tui.values import ANSWERS
from tests.tui.ways import BALANCE

pytestmark = pytest.mark.xdist_group("console")


async def paused(pair: Moving) -> dict[str, str]:
    """What is paused as the other node knows it, and why."""
    found = await asyncio.to_thread(Client(pair.b.layout.control_socket).routes)
    return {one.what: one.reason for one in found.pauses}


async def until_paused(pair: Moving, wanted: dict[str, str]) -> None:
    async def fits() -> bool:
        return await paused(pair) == wanted

    await until(fits, f"paused is {wanted}", 20.0)


@acts("routes.pause")
async def test_a_route_is_paused_and_goes_on(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("routes")
        await console.sees("held.test")
        await console.press("p")
        await console.sees("Why, for whoever finds it paused:")
        await console.type("the port is closed")
        await console.press("enter")
        await until_paused(pair, {"held.test": "the port is closed"})
        await console.sees("■ 1 paused")
        await console.press("p")
        await until_paused(pair, {})
        await console.sees("held.test goes on.")


async def test_a_next_hop_is_paused_and_a_route_to_everywhere_is_not(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("routes")
        await console.sees("held.test")
        await console.press("down", "p")
        await console.sees("not a route like this one")
        await console.press("end", "p")
        await console.sees("Pause it")
        await console.press("enter")

        async def by_hop() -> str:
            return next(iter(await paused(pair)), "")

        assert (await until(by_hop, "a next hop is paused")).endswith(":2525")
        await console.sees("■ 1 paused")
        await console.press("p")
        await until_paused(pair, {})


@acts("routes.domain")
async def test_a_domain_without_a_route_is_paused(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("routes")
        await console.press("d")
        await console.type("far.test")
        await console.press("enter")
        await console.sees("Why, for whoever finds it paused:")
        await console.press("enter")
        await until_paused(pair, {"far.test": ""})
        await console.sees("domain    far.test")
        await console.press("end", "p")
        await until_paused(pair, {})


@acts("routes.test")
async def test_an_address_is_tested(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("routes")
        await console.press("t")
        await console.type("nobody")
        await console.press("enter")
        await console.sees("write an address")
        await console.type("@held.test")
        await console.press("enter")
        await console.sees("because the route")
        await console.press("t")
        await console.type("alice@site.test")
        await console.press("enter")
        await console.sees("in mailbox alice")


async def test_a_node_without_a_balancer_says_so_calmly(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("balance")
        await console.sees("This node has no balancer.")
        assert "✖ this node" not in console.text()


@acts("balance.weight", "balance.drain")
async def test_servers_get_weights_and_are_drained(tmp_path: Path) -> None:
    asked: list[ServerChange] = []

    def change(query: object, body: bytes) -> object:
        asked.append(msgspec.json.decode(body, type=ServerChange))
        return BALANCE

    with serving(tmp_path, {**ANSWERS, "/balance/a": change, "/balance/b": change}) as control:
        async with seen(control.path) as console:
            await console.go("balance")
            await console.press("w")
            await console.sees("Weight, a whole number from 1:")
            await console.press("ctrl+u")
            await console.type("0")
            await console.press("enter")
            await console.sees("type a whole number")
            await console.press("ctrl+u")
            await console.type("7")
            await console.press("enter")
            await console.sees("a: up, weight 2")
            await console.press("d")
            await console.sees("gets no new clients")
            await console.press("y")
            await console.press("down", "d")  # b is drained: it is taken back, unasked
            await console.sees("b: draining, weight 3")
    assert asked == [
        ServerChange(weight=7),
        ServerChange(draining=True),
        ServerChange(draining=False),
    ]
