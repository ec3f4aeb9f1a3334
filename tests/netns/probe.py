"""Asks a virtual address for service every 10 ms, as a client that knows nothing of nodes.

A process of its own in the client's namespace, `python -m tests.netns.probe --to HOST:PORT …`.
Each time it connects anew, waits for the greeting, gives one message over and waits for its 250.
It ends with its standard input, or after `--seconds`, and writes to `--result` when it was
greeted and when it got a 250, on the machine's monotonic clock. Time without service is time
between two of these.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import monotonic

import msgspec
import uvloop

from tests.bench.load import Client, Load, Run

EVERY = 0.01
_CONNECT = 1.0  # a SYN that was lost is repeated after one second: by then others have gone
_MOST_OPEN = 1000


class Probed(msgspec.Struct, frozen=True):
    """What a client saw: instants of greetings and 250s, in order, tokens and failures."""

    greeted: tuple[float, ...]
    accepted: tuple[float, ...]
    tokens: frozenset[str]
    errors: dict[str, int]


def longest_gap(instants: Sequence[float], since: float, until: float) -> float:
    """The longest time without one, in seconds, of those that touch `since` … `until`.

    Infinite if there was none before or none after.
    """
    if not instants or instants[0] > since or instants[-1] < until:
        return float("inf")
    return max(
        (
            after - before
            for before, after in pairwise(instants)
            if after > since and before < until
        ),
        default=float("inf"),
    )


class Probe(Run):
    """Attempts in a steady rhythm, whether those before have come to an end or not."""

    def __init__(self, load: Load, patience: float) -> None:
        super().__init__(load)
        self._patience = patience
        self.greeted: list[float] = []
        self.got_250: list[float] = []
        self._attempts: set[asyncio.Task[None]] = set()

    @property
    def over(self) -> bool:
        """Each attempt has its one message."""
        return False

    def took(self, number: int, seconds: float) -> None:
        """Message `number` got its 250."""
        super().took(number, seconds)
        self.got_250.append(monotonic())

    async def go_on(self, stop: asyncio.Event) -> None:
        """Attempt after attempt until `stop` or the load's seconds are over."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        end = due + self.load.seconds
        while due < end and not stop.is_set():
            if len(self._attempts) < _MOST_OPEN:
                attempt = loop.create_task(self._attempt())
                self._attempts.add(attempt)
                attempt.add_done_callback(self._attempts.discard)
            due = max(due + EVERY, loop.time())
            await asyncio.sleep(due - loop.time())
        if self._attempts:
            await asyncio.wait(self._attempts)

    async def _attempt(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT):
                _, client = await loop.create_connection(lambda: _Attempt(self), *self.load.to)
        except OSError as error:
            self.errors[type(error).__name__] += 1
            return
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(client.closed)
        except TimeoutError:
            client.give_up()

    def probed(self) -> Probed:
        """What there is to tell."""
        tokens = frozenset(self.template.token(number).decode() for number in self.accepted)
        greeted, accepted = tuple(sorted(self.greeted)), tuple(self.got_250)
        return Probed(greeted, accepted, tokens, dict(self.errors))


class _Attempt(Client):
    """One message over one connection; the greeting counts by itself."""

    def __init__(self, probe: Probe) -> None:
        super().__init__(probe)
        self._probe = probe
        self._greeted = False

    def data_received(self, data: bytes) -> None:
        """The first reply is the greeting."""
        if not self._greeted and data.startswith(b"220"):
            self._greeted = True
            self._probe.greeted.append(monotonic())
        super().data_received(data)

    def give_up(self) -> None:
        """Nobody answers any more."""
        self._transport.abort()


async def _probe(load: Load, patience: float) -> Probed:
    stop = asyncio.Event()
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def end_with_input() -> None:
        await orders.read()
        stop.set()

    watching = loop.create_task(end_with_input())
    probe = Probe(load, patience)
    print(json.dumps({"started": monotonic()}), flush=True)
    await probe.go_on(stop)
    watching.cancel()
    return probe.probed()


def main() -> None:
    """Probe and write down what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--run", required=True, help="opens the token of every message")
    parser.add_argument("--result", required=True, type=Path, metavar="FILE")
    parser.add_argument("--patience", type=float, required=True, help="seconds for a 250")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    load = Load(
        to=(host, int(port)), run=options.run, seconds=options.seconds, per_connection=1, size=1024
    )
    options.result.write_bytes(msgspec.json.encode(uvloop.run(_probe(load, options.patience))))


if __name__ == "__main__":
    main()
