"""The first boot with keys, against two real machines that are no nodes yet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tests.pair.new_nodes import PASSWORD, PORTS, NewPair, send
from tests.tui.first_boot import CODE, answered, logged_in, up_to_the_pair
from tests.tui.screen import seen


async def test_two_machines_become_a_pair_with_keys(tmp_path: Path) -> None:
    pair = NewPair(tmp_path)
    for node in pair.nodes:  # nobody is asked for ports: a test may not use the usual ones
        (node.layout.data / "setup.json").write_bytes(msgspec.json.encode({"ports": PORTS}))
    async with pair:
        a, b = pair.nodes
        async with seen(a.layout.control_socket, theme="ascii", kiosk=True) as console:
            await up_to_the_pair(console, "a", pair.hosts[0])
            await console.press("enter")
            await answered(console, "Domain", "site.test")
            await answered(console, "Virtual address", pair.virtual)
            await answered(console, "Administrator", "anna", PASSWORD, PASSWORD)
            text = await console.sees("Set up this node")
            assert f"lo  {pair.hosts[0]}/24" in text
            assert PASSWORD not in text
            await console.press("enter")
            await console.sees("for 10 minutes and 5 tries")  # logged in, and at the right place
            await console.press("y")
            shown = await console.sees(f"{pair.hosts[0]}:{PORTS['pairing']}")
            code = CODE.search(shown)
            assert code is not None, shown
            async with seen(b.layout.control_socket, kiosk=True) as other:
                await up_to_the_pair(other, "b", pair.hosts[1])
                await other.press("down", "enter")
                at = f"{pair.hosts[0]}:{PORTS['pairing']}"
                await answered(other, "Join the other node", at, code[0])
                await other.sees("Set up this node")
                await other.press("enter")
                await b.mode("paired")
                await logged_in(other, "anna")
        await send(pair.virtual)


async def test_a_node_that_was_set_up_elsewhere_wants_a_login(tmp_path: Path) -> None:
    """At the serial line, say, while somebody has the same question before him on the screen."""
    pair = NewPair(tmp_path)
    async with pair:
        a, _ = pair.nodes
        async with seen(a.layout.control_socket, kiosk=True) as console:
            await console.sees(": Name of this node")
            await asyncio.to_thread(a.client.set_up, pair.first())
            await console.sees("Log in to watch and run the pair")


async def test_an_answer_of_before_is_in_nobodys_way(tmp_path: Path) -> None:
    """Whoever was interrupted, and wants another network now, is stopped at no page before it."""
    pair = NewPair(tmp_path)
    setup = {"name": "", "virtual": ["10.9.9.9/24"], "domain": "no domain", "pair": "join"}
    (pair.nodes[0].layout.data / "setup.json").write_bytes(msgspec.json.encode(setup))
    async with pair:
        a, _ = pair.nodes
        async with seen(a.layout.control_socket, kiosk=True) as console:
            await answered(console, "Name of this node", "")
            await console.sees("✖ '' is no name")
            await up_to_the_pair(console, "a", pair.hosts[0])
            kept = await asyncio.to_thread(a.client.setup)
            assert kept.answers["name"] == "a"
