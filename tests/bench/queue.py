"""`make bench-queue`: a queue of a million messages in the console, on a running node.

The node is a real one, and so is the console, at a terminal of its own: what is measured is the
time from a key to the last byte of the lines that it brings, all that lies between included. The
figures are in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import monotonic

from appliance.control.client import Client
from appliance.mail.queue_id import QueueId, parse
from appliance.mail.views import QueueFilter, QueuePage
from tests.bench.queue_spool import RARE, addresses_of, fill
from tests.pair.harness import Node, Settings, addresses, until
from tests.support.tty import Tty, at_terminal

TARGET = 100.0
START = 1000.0
_SIZE = (160, 45)
_ROWS = 30
"""So many of the lines that are seen have come."""
_QUIET = 0.1
"""Seconds: an operator looks at what has come before the next key."""
_DOWN, _PAGE_DOWN, _PAGE_UP, _HOME, _END = "\x1b[B", "\x1b[6~", "\x1b[5~", "\x1b[H", "\x1b[F"
_NOTHING = b"Nothing waits."


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
        with at_terminal(node.command("console"), _SIZE) as tty:
            measured = _Measured(tty, parse(rare.message)[0], messages)
            measured.scroll()
            client = Client(node.layout.control_socket, timeout=60.0)
            await _ready(client)
            measured.filters(rare.message, rare.held)
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
    """The console's table of the queue, and how fast it is."""

    def __init__(self, tty: Tty, tag: str, messages: int) -> None:
        self.good = True
        self._messages = messages
        self._tty = tty
        self._id = re.compile(rf"{tag}[0-9A-Z]{{4}}".encode())

    def scroll(self) -> None:
        """Go to the queue, and up and down in it."""
        started = self._tty.brings([], lambda came: b"takes mail" in came)
        self._tell("start until it shows the site", [started], START)
        self._tty.quiet(1.0)
        self._tty.brings(["2"], lambda came: len(self._numbers(came)) >= _ROWS)
        self._tty.quiet(1.0)
        for name, key, times, shown in (
            ("a line down", _DOWN, 100, 1),
            ("a page down", _PAGE_DOWN, 100, _ROWS),
            ("to the end of what is known", _END, 50, _ROWS),
            ("a page up", _PAGE_UP, 100, _ROWS),
        ):
            figures = [self._key(key, shown) for _ in range(times)]
            self._tell(f"{name} ({times})", figures)
        self._tell("to the beginning (1)", [self._key(_HOME, _ROWS)])

    def filters(self, message: QueueId, held: QueueId) -> None:
        """Find what is rare, common, and not there."""
        for name, typed, wanted in (
            ("part of a rare address", "osprey", self._one(message)),
            ("an address", f"from:{RARE}", self._one(message)),
            ("a domain", "from:@lighthouse.test", self._one(message)),
            ("a queue id", message.lower(), self._one(message)),
            ("one on hold", "is:held", self._one(held)),
            ("common text", "amber", self._all("amber")),
            ("a common domain", "to:@amber7.port.test", self._all("@amber7.port.test")),
            ("nothing has it", "nobody.at.all", lambda came: _NOTHING in came),
        ):
            for way, keys in (("pasted", [f"\x1b[200~{typed}\x1b[201~"]), ("typed", list(typed))):
                figures = []
                for _ in range(10):
                    self._press("/")
                    figures.append(self._tty.brings(keys, wanted))
                    self._tty.quiet(_QUIET)
                    self._press("\x1b")
                    self._press("\x1b")
                self._tell(f"{name}, {way}", figures)

    def _press(self, key: str) -> None:
        self._tty.brings([key], bool)
        self._tty.quiet(_QUIET)

    def _key(self, key: str, rows: int) -> float:
        took = self._tty.brings([key], lambda came: len(self._numbers(came)) >= rows)
        self._tty.quiet(_QUIET)
        return took

    def _one(self, name: QueueId) -> Callable[[bytes], bool]:
        return lambda came: name.encode() in came

    def _all(self, text: str) -> Callable[[bytes], bool]:
        def having(numbers: Iterable[int]) -> int:
            return sum(text in "\n".join(addresses_of(number)) for number in numbers)

        rows = min(_ROWS, having(range(1, self._messages + 1)))
        return lambda came: having(self._numbers(came)) >= rows

    def _numbers(self, came: bytes) -> set[int]:
        return {parse(name.decode())[1] for name in self._id.findall(came)}

    def _tell(self, what: str, figures: list[float], target: float = TARGET) -> None:
        worst = max(figures)
        self.good &= worst <= target
        missed = "" if worst <= target else f"  over {target:.0f}"
        print(f"{what:36} median {median(figures):6.1f}  worst {worst:6.1f}{missed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
