"""Several segments made into one, without the documents that are gone."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from heapq import merge as merged
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from appliance.search.positions import Ids
from appliance.search.postings import FIELDS, Builder, Built, Posted
from appliance.search.segment import Segment, Term, reading


def merge_segments(
    segments: Sequence[Segment], gone: Sequence[NDArray[np.bool_]]
) -> Generator[None, None, Built]:
    """Build one segment of several; stops often, so that other work is not kept waiting.

    Raises Damaged.
    """
    builder = Builder(compress=True)
    places = list[Ids]()
    count = 0
    for segment, dead in zip(segments, gone, strict=True):
        alive = ~dead
        place = np.where(alive, np.cumsum(alive) - 1 + count, -1).astype(np.int32)
        places.append(place)
        count += int(alive.sum())
        yield from _documents(builder, segment, alive)
    for name in FIELDS:
        yield from builder.field(name, _posted(segments, places, name), step=200)
    return builder.finish()


def _documents(builder: Builder, segment: Segment, alive: NDArray[np.bool_]) -> Iterator[None]:
    documents = segment.per_document()
    with reading(segment.path):
        for number in np.flatnonzero(alive).tolist():
            lengths = [documents.doc_field_length(number, name) or 0 for name in FIELDS]
            builder.document(documents.stored_fields(number)["queue_id"], lengths)
            if number % 500 == 499:
                yield


def _posted(segments: Sequence[Segment], places: Sequence[Ids], name: str) -> Iterator[Posted]:
    streams = [_numbered(number, segment, name) for number, segment in enumerate(segments)]
    for word, some in groupby(merged(*streams, key=itemgetter(0, 1)), itemgetter(0)):
        ids, values = list[int](), list[bytes]()
        for _, number, term in some:
            old, encoded = segments[number].postings(term)
            new = places[number][old]
            alive = new >= 0
            if alive.all():
                ids += new.tolist()
                values += encoded
            else:
                kept = np.flatnonzero(alive).tolist()
                ids += new[alive].tolist()
                values += [encoded[one] for one in kept]
        if ids:
            yield word, ids, values


def _numbered(number: int, segment: Segment, name: str) -> Iterator[tuple[bytes, int, Term]]:
    return ((word, number, term) for word, term in segment.terms(name))
