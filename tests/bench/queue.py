"""`make bench-queue`: a queue of a million messages in the drawn console, on a running node.

The node is a real one, the console draws into memory: what is measured is the time from a key to
the lines that it brings, all that lies between included. The figures are in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic

from appliance.control.client import Client
from appliance.mail.views import QueueFilter, QueuePage
from tests.bench.queue_spool import RARE, fill
from tests.pair.harness import Node, Settings, addresses, until
from tests.tui.screen import Seen, seen
from tui.screens.queue import Queue

TARGET = 100.0
_PATIENCE = 60.0
NOTHING = "nothing"


def main() -> int:
    """1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", help="keep the node's data here", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twinpost-queue-") as folder:
        return asyncio.run(_run(options.folder or Path(folder), options.messages))


async def _run(folder: Path, messages: int) -> int:
    own, hop = addresses(2)
    node = Node("a", own, folder / "a")
    node.write(Settings(hop=f"{hop}:2525"), "127.0.0.1:1")
    began = monotonic()
    rare = fill(node.layout, messages, lambda done: None)
    print(f"{messages:,} messages written in {monotonic() - began:.0f} s", flush=True)
    node.start()
    try:
        await node.ready()
        async with seen(node.layout.control_socket, (160, 45)) as console:
            measured = _Measured(console)
            await _scroll(measured)
            client = Client(node.layout.control_socket, timeout=60.0)
            await _ready(client)
            await _filters(measured, rare.message, rare.held)
        return 0 if measured.good else 1
    finally:
        node.kill()


async def _ready(client: Client) -> None:
    """Return when a filter for nothing answers at once, as it does once the finder is made."""
    began = monotonic()

    def look() -> QueuePage:
        return client.queue_page(QueueFilter(text="no such thing"), 200, "")

    async def at_once() -> bool:
        return not (await asyncio.to_thread(look)).after

    await until(at_once, "filters know the queue", 300.0)
    print(f"filters know the queue {monotonic() - began:.1f} s after that", flush=True)


class _Measured:
    def __init__(self, console: Seen) -> None:
        self.console = console
        self.good = True

    @property
    def page(self) -> Queue:
        screen = self.console.console.screen
        assert isinstance(screen, Queue)
        return screen

    async def time(self, act: Callable[[], Awaitable[None]], wanted: Callable[[], bool]) -> float:
        """Milliseconds from `act` to `wanted`."""
        began = monotonic()
        await act()
        async with asyncio.timeout(_PATIENCE):
            while not wanted():
                await self.console.pilot.pause(0.001)
        self.console.text()  # which draws all of it
        return (monotonic() - began) * 1000

    def tell(self, what: str, figures: list[float]) -> None:
        worst = max(figures)
        self.good &= worst <= TARGET
        missed = "" if worst <= TARGET else f"  over {TARGET:.0f}"
        print(f"{what:36} median {median(figures):6.1f}  worst {worst:6.1f}{missed}", flush=True)

    def here(self) -> bool:
        """All rows that are seen are here."""
        table = self.page.table
        top = self.page.table.scroll_offset.y
        last = min(top + table.size.height - 1, table.rows.count)
        return table.rows.count > 0 and all(table.rows.row(one) for one in range(top, last))

    async def key(self, key: str) -> None:
        await self.console.console._press_keys([key])

    async def clear(self) -> None:
        """Show everything again."""
        await self.console.press("escape", "escape", "escape")
        await self.console.sees(lambda _: self.page.table.rows.count >= 200)


async def _scroll(measured: _Measured) -> None:
    await measured.console.go("queue")
    for name, key, times in (
        ("a line down", "down", 100),
        ("a page down", "pagedown", 300),
        ("to the end of what is known", "end", 50),
        ("a page up", "pageup", 300),
        ("to the beginning", "home", 1),
    ):
        figures = []
        for _ in range(times):
            figures.append(await measured.time(partial(measured.key, key), measured.here))
        measured.tell(f"{name} ({times})", figures)


async def _filters(measured: _Measured, message: str, held: str) -> None:
    for name, typed, wanted in (
        ("part of a rare address", "osprey", message),
        ("an address", f"from:{RARE}", message),
        ("a domain", "from:@lighthouse.test", message),
        ("a queue id", message.lower(), message),
        ("one on hold", "is:held", held),
        ("common text", "amber", ""),
        ("a common domain", "to:@amber7.port.test", ""),
        ("nothing has it", "nobody.at.all", NOTHING),
    ):
        figures = []
        for _ in range(10):
            await measured.clear()
            await measured.console.press("slash")

            def seen_now(wanted: str = wanted, before: object = measured.page.table.rows) -> bool:
                table = measured.page.table
                if table.rows is before:
                    return False
                if not wanted:
                    return measured.here()
                first = table.rows.row(0)
                if wanted == NOTHING:
                    return not table.rows.more and not table.rows.count
                return first is not None and first.queue_id == wanted

            figures.append(await measured.time(partial(measured.console.type, typed), seen_now))
        measured.tell(name, figures)


if __name__ == "__main__":
    sys.exit(main())
