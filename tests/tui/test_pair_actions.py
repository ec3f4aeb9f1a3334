"""Search, and every action of the pair's screen, by its keys, against a real pair."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from appliance.control.client import Client
from tests.pair.harness import SMTP, until
from tests.pair.moving import Moving, MovingNode
from tests.tui.acts import acts
from tests.tui.screen import Seen, seen

pytestmark = pytest.mark.xdist_group("console")


async def at_rest(pair: Moving) -> MovingNode:
    """The Active node, once both can be moved between."""
    for node in pair.nodes:
        await node.is_("paired")
    return await pair.active()


async def opened(console: Seen) -> None:
    await console.go("pair")
    await console.sees("router 1")


@acts("search.query", "search.back")
async def test_search_finds_and_shows(pair: Moving) -> None:
    def send() -> None:
        with smtplib.SMTP(pair.a.address, SMTP) as smtp:
            text = b"From: anna@ship.test\r\nSubject: Lantern oil\r\n\r\nTwelve barrels of it.\r\n"
            smtp.sendmail("anna@ship.test", ["alice@site.test"], text)

    await asyncio.to_thread(send)
    client = Client(pair.a.layout.control_socket)

    async def found() -> bool:
        return bool((await asyncio.to_thread(client.search, "lantern")).hits)

    await until(found, "the index has it")
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("search")
        await console.type("lantern barrels")
        await console.press("enter")
        await console.sees(lambda text: "1 found" in text and "Twelve barrels" in text)
        await console.press("enter")
        text = await console.sees("what happened")
        assert "alice@site.test" in text
        await console.press("escape", "slash", "ctrl+u")
        await console.type("from:(")
        await console.press("enter")
        await console.sees("✖")
        await console.press("escape")


@acts("pair.switch_over")
async def test_switch_over_and_back(pair: Moving) -> None:
    node = await at_rest(pair)
    async with seen(node.layout.control_socket) as console:
        await opened(console)
        await console.press("s")
        text = await console.sees("will move to node")
        assert pair.virtual in text
        await console.press("n")
        await console.press("s", "y")
        await pair.takes_over(pair.other(node))
        await console.sees("Backup for")
        await at_rest(pair)
        await console.press("s")
        await console.sees("Bring the addresses here")
        await console.press("y")
        await pair.takes_over(node)
        await console.sees("Active for")


@acts("pair.maintain")
async def test_maintenance_on_and_off(pair: Moving) -> None:
    node = await at_rest(pair)
    async with seen(node.layout.control_socket) as console:
        await opened(console)
        await console.press("m")
        await console.sees("takes none")
        await console.press("y")
        await pair.takes_over(pair.other(node))
        await console.sees("this node holds no address")
        await console.press("m", "y")
        await console.sees(lambda text: "this node holds no address" not in text)


async def test_what_is_refused_can_be_insisted_on_by_typing_the_name(pair: Moving) -> None:
    node = await at_rest(pair)
    other = pair.other(node)
    client = Client(other.layout.control_socket)
    await asyncio.to_thread(client.maintain, True, False)
    try:
        async with seen(node.layout.control_socket) as console:
            await opened(console)
            await console.press("s", "y")
            await console.sees("Do it all the same?")
            await console.type("b" if node.name == "a" else "a")
            await console.press("enter")
            await console.sees(f"that is not {node.name}")
            await console.press("escape")
            assert await pair.active() is node
    finally:
        await asyncio.to_thread(client.maintain, False, False)


@acts("pair.take_over")
async def test_take_over_says_why_not(pair: Moving) -> None:
    node = await at_rest(pair)
    async with seen(node.layout.control_socket) as console:
        await opened(console)
        await console.press("t")
        await console.sees("recipients may get that twice")
        await console.press("y")
        await console.sees("✖")


@acts("pair.invite", "pair.replace", "pair.join", "pair.cancel")
async def test_a_code_is_shown_and_cancelled(pair: Moving) -> None:
    """A node that has a peer shows no code; to replace one that lives is refused."""
    node = await at_rest(pair)
    async with seen(node.layout.control_socket) as console:
        await opened(console)
        await console.press("i")
        await console.sees("for 10 minutes and 5 tries")
        await console.press("y")
        await console.sees("✖")
        await console.press("p")
        await console.sees("wipe its disk")
        await console.type(node.name)
        await console.press("enter")
        await console.sees("alive")
        await console.press("j")
        await console.type("127.0.0.1:1")
        await console.press("enter")
        await console.sees("Code:")
        await console.press("escape", "c")
        await console.sees("No code is good any more")
