"""The pages of the first boot, and what comes behind them, by keys."""

from __future__ import annotations

import re

from tests.pair.new_nodes import PASSWORD
from tests.tui.screen import Seen

CODE = re.compile(r"(?:[0-9A-Z]+-){9}[0-9A-Z]+")
"""What joins a pair."""


async def answered(console: Seen, title: str, *values: str) -> None:
    """Fill in a page, and go on."""
    await console.sees(f": {title}")
    for value in values:
        await console.press("ctrl+u")
        if value:
            await console.type(value)
        await console.press("enter")


async def up_to_the_pair(console: Seen, name: str, host: str) -> None:
    """The pages that every node has, up to the question what it is to be part of."""
    await answered(console, "Name of this node", name)
    await answered(console, "Network of the clients", "lo", f"{host}/24", "")
    text = await console.sees(lambda text: ": The pair" in text or ": Cable" in text)
    if ": Cable" in text:
        await answered(console, "Cable to the other node", "", "")
    await console.sees(": The pair")


async def logged_in(console: Seen, name: str) -> None:
    """Log in with the password of all new nodes."""
    await console.sees("Log in to watch and run the pair")
    await console.type(name)
    await console.press("enter")
    await console.type(PASSWORD)
    await console.press("enter")
    await console.sees(lambda text: "Overview" in text and name in text)
