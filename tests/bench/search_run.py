"""The search process at work for the benchmark: how fast, killed, asked, damaged."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from statistics import quantiles

from appliance.ipc.search import SearchView
from tests.bench.search_queries import Questions
from tests.support.search_process import SearchNode

HITS = 50
_KILLS = 20
_ALIVE = 3.0
"""Seconds for which it is alive at most between two of them."""


@dataclass
class Indexing:
    """What indexing took, in seconds of CPU time and of the clock, up to `measured` messages.

    `merged`: CPU seconds until all was in order. `size`: bytes a message. `busy`: milliseconds of
    questions meanwhile. `memory`: the most that was not files, in bytes. `lost`: messages that
    could be found before a kill -9 and not after it.
    """

    measured: int
    cpu: float
    wall: float
    merged: float = 0.0
    messages: int = 0
    size: float = 0.0
    busy: Sequence[float] = ()
    memory: int = 0
    kills: int = 0
    lost: int = 0

    @property
    def rate(self) -> float:
        return self.measured / self.cpu


class Run:
    """The search process in its work, killed and started again."""

    def __init__(self, node: SearchNode, messages: int, questions: Questions) -> None:
        self._node = node
        self._messages = messages
        self._questions = questions
        self._random = Random(1)
        self._cpu = 0.0
        self._memory = 0

    async def index(self) -> Indexing:
        """Have everything indexed and merged."""
        node, messages, began = self._node, self._messages, time.monotonic()
        node.start()
        await self._until(lambda view: view.documents >= messages // 2)
        self._kill()
        node.start()
        view = await self._until(lambda view: view.documents >= messages * 4 // 5)
        done = Indexing(view.documents, self._cpu + cpu_of(node.pid), time.monotonic() - began)
        done.busy = await self._ask()
        for _ in range(_KILLS):
            done.kills += 1
            done.lost += await self._killed_anywhere()
        view = await self._until(
            lambda view: view.complete and not view.waiting and view.activity == "idle"
        )
        done.lost += messages - view.documents
        done.merged, done.messages = self._cpu + cpu_of(node.pid), messages
        done.size, done.memory = view.size / messages, self._memory
        self._kill()
        return done

    async def _until(self, holds: Callable[[SearchView], bool]) -> SearchView:
        def noted(view: SearchView) -> bool:
            self._memory = max(self._memory, anonymous(self._node.pid))
            return holds(view)

        return await self._node.until(noted)

    def _kill(self) -> None:
        self._cpu += cpu_of(self._node.pid)
        self._node.kill()

    async def _killed_anywhere(self) -> int:
        """Kill it at some moment; how many messages it then has lost."""
        view = await self._node.view()
        self._node.alive_for(self._random.random() * _ALIVE)
        self._kill()
        self._node.start()
        after = await self._until(lambda view: view.partitions > 0)
        return max(0, view.documents - after.documents)

    async def _ask(self) -> list[float]:
        """Milliseconds of questions, of each kind in turn, while most is still to be indexed."""
        busy = list[float]()
        kinds = [self._questions.some(kind, 200) for kind in self._questions.kinds()]
        for question in chain.from_iterable(zip(*kinds, strict=True)):
            view = await self._node.view()
            if view.documents >= self._messages * 9 // 10:
                break
            start = time.perf_counter()
            await self._node.find(question.ours, HITS)
            busy.append((time.perf_counter() - start) * 1000)
        return busy


async def damage(node: SearchNode, messages: int) -> bool:
    """Cut a partition in half; true if that cost more than writing this one anew."""
    folders = sorted(node.index.glob("p[0-9]*"))
    hurt = folders[len(folders) // 2]
    before = {path: path.stat().st_mtime_ns for path in node.index.glob("p[0-9]*/*.seg")}
    for segment in hurt.glob("*.seg"):
        os.truncate(segment, segment.stat().st_size // 2)
    began = time.monotonic()
    node.start()
    view = await node.until(lambda view: view.partitions == len(folders))
    found = view.documents
    view = await node.until(lambda view: view.complete and view.activity == "idle")
    node.kill()
    after = {path: path.stat().st_mtime_ns for path in node.index.glob("p[0-9]*/*.seg")}
    others = {path for path, _ in before.items() ^ after.items() if path.parent != hurt}
    print(
        f"a partition cut in half: {found:,} could be found meanwhile, {view.documents:,} after"
        f" {time.monotonic() - began:.0f} s, {len(others)} other files written"
    )
    return bool(others) or view.documents != messages


def cpu_of(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous(pid: int) -> int:
    """Bytes of memory of a process that are no mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def p95(some: Sequence[float]) -> float:
    """The 95th percentile; 0 of nothing."""
    return quantiles(some, n=20)[-1] if len(some) > 1 else 0.0
