"""`make bench-search`: the real search process on a spool of generated mail, and stock Whoosh.

The spool is filled first. Then the process indexes it, is killed with -9 half-way, and goes on.
Rates are per second of its own CPU time. Queries are timed on the index it leaves, and while it
was at work; the first 50 hits of some of each kind are compared with those of a scan that uses
no part of the product. Exit code 1 if a target was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import msgspec

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import queue_id, tag
from appliance.replica.record import Accepted
from appliance.search.catalogue import Lookups
from appliance.search.find import Search
from appliance.search.index import CATALOGUE, Index
from appliance.search.query import parse
from tests.bench import search_stock
from tests.bench.disk import describe
from tests.bench.search_corpus import Corpus, Letter
from tests.bench.search_queries import Question, Questions
from tests.support.search_process import SearchNode
from tests.unit.spool_reader.writer import Writer

_RATE = 1_000
_P95 = 50.0
_P95_BUSY = 500.0
_HITS = 50
_BATCH = 500
_INCARNATION = b"1" * 16


@dataclass
class Indexing:
    """What indexing took, in seconds; `size`: bytes a message; `busy`: milliseconds of queries."""

    messages: int
    cpu: float
    wall: float
    size: float
    busy: list[float]

    @property
    def rate(self) -> float:
        return self.messages / self.cpu


def main() -> int:
    """Run it all; 1 if a target was missed."""
    options = _options()
    print(f"{os.cpu_count()} cores, {describe(options.folder)}")
    corpus = Corpus()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        SearchNode(Path(folder) / "node", patience=7200.0) as node,
    ):
        print(f"filling a spool with {options.messages:,} messages …", flush=True)
        fill(node.spool, corpus, options.messages)
        questions = Questions(corpus, options.messages)
        indexing = asyncio.run(index(node, options.messages, questions))
        _report_indexing(indexing)
        missed = indexing.rate < _RATE or p95(indexing.busy) > _P95_BUSY
        missed |= _queries(node.index, questions, options.queries)
        missed |= _agreement(node.index, corpus, options.messages, options.scans)
        if options.stock:
            search_stock.compare(Path(folder) / "stock", corpus, options.stock, options.queries)
    print("a target was MISSED" if missed else "all targets held")
    return int(missed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--scans", type=int, default=2, help="compared with a scan, of each kind")
    parser.add_argument("--stock", type=int, default=20_000, help="messages; 0: leave it out")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def fill(spool: Path, corpus: Corpus, messages: int) -> None:
    """A spool that has accepted them, as the mail process leaves it."""
    writer = Writer(spool, incarnation=_INCARNATION)
    for first in range(0, messages, _BATCH):
        letters = [corpus.letter(one) for one in range(first, min(first + _BATCH, messages))]
        writer.now += 1
        writer.write(
            *map(_record, letters), contents={name(one.number): one.content for one in letters}
        )
    writer.close()


def name(number: int) -> str:
    """The queue id of a message."""
    return queue_id(tag(_INCARNATION), number + 1)


def _record(one: Letter) -> Accepted:
    envelope = Envelope(one.sender, (Recipient(one.recipient),), received_at=one.received_at)
    domain = one.recipient.partition("@")[2]
    digest = sha256(one.content).digest()
    packed = msgspec.msgpack.encode(envelope)
    return Accepted(name(one.number), packed, (domain,), len(one.content), digest)


async def index(node: SearchNode, messages: int, questions: Questions) -> Indexing:
    """Have everything indexed, with a kill -9 half-way; ask during the last fifth of it."""
    cpu, began = 0.0, time.monotonic()
    node.start()
    await node.until(lambda view: view.documents >= messages // 2)
    cpu += cpu_of(node.pid)
    node.kill()
    node.start()
    view = await node.until(lambda view: view.documents >= messages * 4 // 5)
    cpu += cpu_of(node.pid)
    measured, wall = view.documents, time.monotonic() - began
    busy = await _ask(node, questions)
    view = await node.until(lambda view: view.complete and not view.waiting)
    assert view.documents == messages, f"{view.documents} of {messages}"
    node.kill()
    return Indexing(measured, cpu, wall, view.size / messages, busy)


async def _ask(node: SearchNode, questions: Questions) -> list[float]:
    """Milliseconds of questions, of each kind in turn, while there is something to index."""
    busy = list[float]()
    kinds = [questions.some(kind, 200) for kind in questions.kinds()]
    for question in chain.from_iterable(zip(*kinds, strict=True)):
        view = await node.view()
        if view.complete and not view.waiting:
            break
        start = time.perf_counter()
        await node.find(question.ours, _HITS)
        busy.append((time.perf_counter() - start) * 1000)
    return busy


def cpu_of(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report_indexing(one: Indexing) -> None:
    print(
        f"indexed {one.messages:,}, resumed after kill -9: {one.rate:,.0f} a second of CPU"
        f" (target {_RATE:,}), {one.messages / one.wall:,.0f} a second of the clock,"
        f" {one.size / 1024:.1f} KiB a message"
    )
    if len(one.busy) > 1:
        print(
            f"queries while indexing, 50 hits with their texts, through the socket:"
            f" p95 {p95(one.busy):.0f} ms of {len(one.busy)} (target {_P95_BUSY:.0f})"
        )


def _queries(folder: Path, questions: Questions, count: int) -> bool:
    """Time the newest 50 of each kind; True if a target was missed.

    The CPU time is what they would take with a core to themselves.
    """
    missed = False
    print(f"{'newest 50, ms':<32}{'p50':>8}{'p95':>8}{'CPU p50':>10}{'p95':>8}")
    opened = Index(folder)
    opened.open()
    for kind in questions.kinds():
        timed = [_timed(opened, one) for one in questions.some(kind, count)]
        clock, cpu = [one[0] for one in timed], [one[1] for one in timed]
        print(
            f"{kind:<32}{median(clock):>8.1f}{p95(clock):>8.1f}"
            f"{median(cpu):>10.1f}{p95(cpu):>8.1f}",
            flush=True,
        )
        missed |= p95(clock) > _P95
    opened.close()
    return missed


def _timed(opened: Index, question: Question) -> tuple[float, float]:
    """Milliseconds of the clock, and of CPU time."""
    start, cpu = time.perf_counter(), time.thread_time()
    _found(opened, question)
    return (time.perf_counter() - start) * 1000, (time.thread_time() - cpu) * 1000


def _found(opened: Index, question: Question) -> Sequence[str]:
    lookups = Lookups(opened.folder / CATALOGUE)
    try:
        node = parse(question.ours, 0)
        search = Search(node, opened.units, lookups, opened.report, lambda: False)
        found = search.newest(_HITS)
        assert not found.skipped, "a part of the index could not be read"
        return [lookups.document(one)[0] for one in found.positions]
    finally:
        lookups.close()


def _agreement(folder: Path, corpus: Corpus, messages: int, scans: int) -> bool:
    """Compare the first hits with a scan's; True if they differ."""
    opened = Index(folder)
    opened.open()
    questions = Questions(corpus, messages, seed=2)
    asked = [one for kind in questions.kinds() for one in questions.some(kind, scans)]
    scanned = scan(corpus, messages, asked)
    wrong = 0
    for one, expected in zip(asked, scanned, strict=True):
        if (found := list(_found(opened, one))) != expected:
            wrong += 1
            print(f"DIFFERS: {one.ours}: {found[:3]} … {expected[:3]}")
    opened.close()
    print(f"first {_HITS} hits equal to a scan's: {len(asked) - wrong} of {len(asked)} questions")
    return wrong > 0


def scan(corpus: Corpus, messages: int, asked: Sequence[Question]) -> list[list[str]]:
    """The newest hits of questions, by looking at every message."""
    hits: list[list[str]] = [[] for _ in asked]
    open_ = set(range(len(asked)))
    for letter in _backwards(corpus, messages):
        for place in list(open_):
            if asked[place].fits(letter):
                hits[place].append(name(letter.number))
                if len(hits[place]) == _HITS:
                    open_.discard(place)
        if not open_:
            break
    return hits


def _backwards(corpus: Corpus, messages: int) -> Iterator[Letter]:
    return (corpus.letter(number) for number in range(messages - 1, -1, -1))


def p95(some: Sequence[float]) -> float:
    """The 95th percentile; 0 of nothing."""
    return quantiles(some, n=20)[-1] if len(some) > 1 else 0.0


if __name__ == "__main__":
    sys.exit(main())
