"""Several segments made into one, without the documents that are gone."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from heapq import merge as merged
from itertools import groupby, islice
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from appliance.search.positions import Numbers
from appliance.search.postings import FIELDS, NUMBER, Builder, Built, Posted, posted
from appliance.search.segment import Segment, Term, reading

_WORDS = 500
"""Words that are merged at a time."""

Found = tuple[bytes, int, Term]
"""A word and where a segment, by number, has it."""


def merge_segments(
    segments: Sequence[Segment], gone: Sequence[NDArray[np.bool_]]
) -> Generator[None, None, Built]:
    """Build one segment of several; stops often, so that other work is not kept waiting.

    Raises Damaged.
    """
    builder = Builder(compress=True)
    places = list[Numbers]()
    count = 0
    for segment, dead in zip(segments, gone, strict=True):
        alive = ~dead
        places.append(np.where(alive, np.cumsum(alive) - 1 + count, -1))
        count += int(alive.sum())
        yield from _documents(builder, segment, alive)
    for name in FIELDS:
        yield from builder.field(name, _posted(segments, places, name), step=_WORDS)
    return builder.finish()


def _documents(builder: Builder, segment: Segment, alive: NDArray[np.bool_]) -> Iterator[None]:
    documents = segment.per_document()
    with reading(segment.path):
        for number in np.flatnonzero(alive).tolist():
            lengths = [documents.doc_field_length(number, name) or 0 for name in FIELDS]
            builder.document(documents.stored_fields(number)["queue_id"], lengths)
            if number % 500 == 499:
                yield


def _posted(segments: Sequence[Segment], places: Sequence[Numbers], name: str) -> Iterator[Posted]:
    streams = [_numbered(number, segment, name) for number, segment in enumerate(segments)]
    words = groupby(merged(*streams, key=itemgetter(0, 1)), itemgetter(0))
    gathered = ((word, list(some)) for word, some in words)
    while batch := list(islice(gathered, _WORDS)):
        yield from _joined(segments, places, batch)


def _joined(
    segments: Sequence[Segment],
    places: Sequence[Numbers],
    batch: Sequence[tuple[bytes, Sequence[Found]]],
) -> Iterator[Posted]:
    found = [each for _, some in batch for each in some]
    with reading(segments[0].path.parent):
        arrays = list(
            zip(*(segments[number].arrays(term) for _, number, term in found), strict=True)
        )
    old, counts, where = (np.frombuffer(b"".join(some), NUMBER).astype(np.int64) for some in arrays)
    sizes = np.array([term.documents for _, _, term in found])
    bases = np.cumsum([0, *map(len, places)])[:-1]
    ids = np.concatenate(places)[old + np.repeat(bases[[number for _, number, _ in found]], sizes)]
    words = np.repeat(
        np.arange(len(batch)), [sum(term.documents for _, _, term in some) for _, some in batch]
    )
    alive = ids >= 0
    if not alive.all():
        where = where[np.repeat(alive, counts)]
        ids, counts, words = ids[alive], counts[alive], words[alive]
    left, sizes = np.unique(words, return_counts=True)
    return posted([batch[word][0] for word in left.tolist()], sizes, ids, counts, where)


def _numbered(number: int, segment: Segment, name: str) -> Iterator[Found]:
    return ((word, number, term) for word, term in segment.terms(name))
