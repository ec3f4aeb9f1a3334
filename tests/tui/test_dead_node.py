"""A node dies for good: at the console of the one that is left, it is replaced."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.pair.harness import until
from tests.pair.new_nodes import PORTS, NewNode, NewPair, send
from tests.tui.acts import acts
from tests.tui.first_boot import CODE
from tests.tui.screen import seen

pytestmark = pytest.mark.xdist_group("console")


@acts("pair.take_over", "pair.replace")
async def test_who_is_left_takes_over_and_gets_a_new_peer(tmp_path: Path) -> None:
    """Both were off; the one that owned the mail does not come back."""
    pair = NewPair(tmp_path)
    b = pair.nodes[1]
    new = NewNode(tmp_path / "new")
    try:
        async with pair:
            await pair.become()
            await send(pair.hosts[0])
            for node in pair.nodes:
                node.kill()
            b.start()
            await b.mode("solo")
            async with seen(b.layout.control_socket) as console:
                await console.go("pair")
                await console.sees("other node   a at")  # never heard since this one started
                await console.press("t")
                await console.sees("recipients may get that twice")
                await console.press("y")
                await console.sees("The backlog goes out now")
                await console.press("p")
                await console.sees("wipe its disk")
                await console.type("b")
                await console.press("enter")
                code = CODE.search(await console.sees(lambda text: bool(CODE.search(text))))
                assert code is not None
                new.start()
                await new.waits()
                joining = {
                    **pair.second(code[0]),
                    "name": "c",
                    "network": {"interface": "lo", "address": f"{pair.hosts[0]}/24"},
                    "join": {"at": f"{pair.hosts[1]}:{PORTS['pairing']}", "code": code[0]},
                }
                await asyncio.to_thread(new.client.set_up, joining)
                await new.mode("paired")
                await console.sees(lambda text: "paired for" in text and "other node   c" in text)
            await _has_mail(new)
    finally:
        new.kill()


async def _has_mail(node: NewNode) -> None:
    async def look() -> bool:
        return bool(await asyncio.to_thread(node.client.mailboxes))  # those that hold something

    await until(look, "the new node has the mail of before")
