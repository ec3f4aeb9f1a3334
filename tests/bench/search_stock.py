"""Stock Whoosh on the same mail: its own writer, its own searcher, the newest first."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import quantiles
from typing import Any

from whoosh.analysis import LowercaseFilter, RegexTokenizer
from whoosh.fields import NUMERIC, STORED, TEXT, Schema
from whoosh.index import create_in
from whoosh.qparser import QueryParser

from tests.bench.search_corpus import Corpus
from tests.bench.search_queries import Questions

_BATCH = 500


def compare(folder: Path, corpus: Corpus, messages: int, count: int) -> None:
    """Index and search, and print how long it took."""
    folder.mkdir()
    analyzer = RegexTokenizer(r"[^\W_]+") | LowercaseFilter()
    text = TEXT(analyzer=analyzer)
    schema = Schema(number=STORED, when=NUMERIC(sortable=True), body=text, head=text)
    index = create_in(str(folder), schema)
    letters = [corpus.letter(number) for number in range(messages)]
    began = time.process_time()
    for first in range(0, messages, _BATCH):
        writer = index.writer(limitmb=256)
        for one in letters[first : first + _BATCH]:
            writer.add_document(
                number=one.number,
                when=one.number,
                body=" ".join(one.body),
                head=f"{' '.join(one.subject)} {one.sender} {one.recipient}",
            )
        writer.commit(merge=False)
    took = time.process_time() - began
    print(f"stock Whoosh, {messages:,} messages: {messages / took:,.0f} a second of CPU")
    print(f"{'stock, newest 50, ms':<32}{'p50':>10}{'p95':>8}")
    parser = QueryParser("body", schema)
    questions = Questions(corpus, messages)
    with index.searcher() as searcher:
        for kind in questions.kinds():
            asked = [one.stock for one in questions.some(kind, count) if one.stock is not None]
            if asked:
                times = [_timed(searcher, parser.parse(one)) for one in asked]
                middle, high = quantiles(times, n=2)[0], quantiles(times, n=20)[-1]
                print(f"{kind:<32}{middle:>10.1f}{high:>8.1f}", flush=True)


def _timed(searcher: Any, query: Any) -> float:
    start = time.perf_counter()
    searcher.search(query, limit=50, sortedby="when", reverse=True)
    return (time.perf_counter() - start) * 1000
