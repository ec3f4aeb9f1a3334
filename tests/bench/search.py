"""`make bench-search`: the real search process on a spool of generated mail, and stock Whoosh.

The spool is filled first. Then the process indexes it, is killed with -9 half-way, and goes on;
questions are asked while it does; near the end it is killed 20 times more. Nothing that it said can
be found may be missing afterwards. When all is indexed and merged a partition is cut in half, and
only that one may be written anew. Rates are per second of the process's own CPU time. Queries are
timed on the index that is left; the first 50 hits of some of each kind are compared with those of
a scan that uses no part of the product. Then a pair takes 10,000 messages a minute, and it is seen
how soon they can be found; at last stock Whoosh does what it can. Exit code 1 if a target was
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from statistics import median

import msgspec

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import queue_id, tag
from appliance.replica.record import Accepted
from appliance.search.catalogue import Lookups
from appliance.search.find import Search
from appliance.search.index import CATALOGUE, Index
from appliance.search.query import parse
from tests.bench import search_fresh, search_stock
from tests.bench.disk import describe
from tests.bench.search_corpus import Corpus, Letter
from tests.bench.search_queries import Question, Questions
from tests.bench.search_run import HITS, Indexing, Run, damage, p95
from tests.support.search_process import SearchNode
from tests.unit.spool_reader.writer import Writer

_RATE = 1_000
_P95 = 50.0
_P95_BUSY = 500.0
_MANY = 100_000
_BATCH = 500
_INCARNATION = b"1" * 16


def main() -> int:
    """Run it all; 1 if a target was missed."""
    options = _options()
    print(f"{os.cpu_count()} cores, {describe(options.folder)}")
    corpus = Corpus()
    with _folder(options) as folder, SearchNode(folder / "node", patience=36_000.0) as node:
        if not (node.spool / "spool.db").exists():
            print(f"filling a spool with {options.messages:,} messages …", flush=True)
            fill(node.spool, corpus, options.messages)
        questions = Questions(corpus, options.messages)
        indexing = asyncio.run(Run(node, options.messages, questions).index())
        _report_indexing(indexing)
        missed = indexing.rate < _RATE or p95(indexing.busy) > _P95_BUSY or indexing.lost > 0
        missed |= asyncio.run(damage(node, options.messages))
        limit = _P95 if options.messages <= _MANY else _P95_BUSY
        missed |= _queries(node.index, questions, options.queries, limit)
        missed |= _agreement(node.index, corpus, options.messages, options.scans)
        if options.fresh:
            missed |= search_fresh.measure(folder, corpus, options.fresh)
        stock = min(options.messages, _MANY) if options.stock is None else options.stock
        if stock:
            search_stock.compare(folder / "stock", corpus, stock, options.queries)
    print("a target was MISSED" if missed else "all targets held")
    return int(missed)


def _folder(options: argparse.Namespace) -> AbstractContextManager[Path]:
    if options.keep is None:
        return _temporary(options.folder)
    options.keep.mkdir(parents=True, exist_ok=True)
    for part in ("node/index", "pair", "stock"):
        shutil.rmtree(options.keep / part, ignore_errors=True)
    return nullcontext(options.keep)


@contextmanager
def _temporary(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--scans", type=int, default=2, help="compared with a scan, of each kind")
    parser.add_argument(
        "--stock", type=int, help="messages of stock Whoosh; as many, 100,000 at most; 0: none"
    )
    parser.add_argument(
        "--fresh", type=float, default=30.0, help="seconds of mail to a pair; 0: none"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", type=Path, help="work here; a spool that is there is used again")
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


def _report_indexing(one: Indexing) -> None:
    print(
        f"indexed {one.measured:,}, resumed after kill -9: {one.rate:,.0f} a second of CPU"
        f" (target {_RATE:,}), {one.measured / one.wall:,.0f} a second of the clock"
    )
    print(
        f"all {one.messages:,}, with every start, merge and question:"
        f" {one.messages / one.merged:,.0f} a second of CPU; {one.size / 1024:.1f} KiB a message;"
        f" {one.memory / (1 << 20):.0f} MiB of memory at most"
    )
    print(f"missing after {one.kills} × kill -9: {one.lost}")
    if len(one.busy) > 1:
        print(
            f"queries while indexing, 50 hits with their texts, through the socket:"
            f" p95 {p95(one.busy):.0f} ms of {len(one.busy)} (target {_P95_BUSY:.0f})"
        )


def _queries(folder: Path, questions: Questions, count: int, limit: float) -> bool:
    """Time the newest 50 of each kind; True if a target was missed.

    The CPU time is what they would take with a core to themselves.
    """
    missed = False
    opened, began = Index(folder), time.perf_counter()
    opened.open()
    print(f"opened in {(time.perf_counter() - began) * 1000:.0f} ms")
    print(f"{'newest 50, ms':<32}{'p50':>8}{'p95':>8}{'CPU p50':>10}{'p95':>8}")
    for kind in questions.kinds():
        timed = [_timed(opened, one) for one in questions.some(kind, count)]
        clock, cpu = [one[0] for one in timed], [one[1] for one in timed]
        print(
            f"{kind:<32}{median(clock):>8.1f}{p95(clock):>8.1f}"
            f"{median(cpu):>10.1f}{p95(cpu):>8.1f}",
            flush=True,
        )
        missed |= p95(clock) > limit
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
        found = search.newest(HITS)
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
    print(f"first {HITS} hits equal to a scan's: {len(asked) - wrong} of {len(asked)} questions")
    return wrong > 0


def scan(corpus: Corpus, messages: int, asked: Sequence[Question]) -> list[list[str]]:
    """The newest hits of questions, by looking at every message."""
    hits: list[list[str]] = [[] for _ in asked]
    open_ = set(range(len(asked)))
    for letter in _backwards(corpus, messages):
        for place in list(open_):
            if asked[place].fits(letter):
                hits[place].append(name(letter.number))
                if len(hits[place]) == HITS:
                    open_.discard(place)
        if not open_:
            break
    return hits


def _backwards(corpus: Corpus, messages: int) -> Iterator[Letter]:
    return (corpus.letter(number) for number in range(messages - 1, -1, -1))


if __name__ == "__main__":
    sys.exit(main())
