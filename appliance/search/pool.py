"""Documents on their way to a segment: their words as numbers, put in order all at once.

A word of a message costs one look-up when it is added. What documents and places it has comes out
of one sort of numbers that hold word, document and place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from appliance.search.positions import Numbers
from appliance.search.postings import FIELDS, Builder, Built, Posted, posted

MOST_WORDS = 20_000
"""Words of one field of a message that are indexed."""
MANY_WORDS = 2_500_000
"""Words of a pool that it is time to make a segment of: more would take too much memory."""
_DOCUMENT, _WORD = 16, 32
"""Bits to the left of the place, and of the document."""


class _Numbers(dict[str, int]):
    """Numbers words as they are asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class Pool:
    """Fewer than 65,536 documents on their way to a segment."""

    def __init__(self) -> None:
        self.queue_ids = list[str]()
        self.lengths = list[tuple[int, ...]]()
        self.words = 0
        """Of all documents."""
        # "" is a gap that no phrase reaches over: number 0, and never posted.
        self._numbers = _Numbers({"": 0})
        self._fields = {name: array("I") for name in FIELDS}

    def __len__(self) -> int:
        return len(self.queue_ids)

    def add(self, queue_id: str, fields: Mapping[str, Sequence[str]]) -> None:
        """Add a document: the words of each of FIELDS, in order."""
        number, lengths = self._numbers.__getitem__, []
        for name, numbers in self._fields.items():
            words = fields[name]
            if len(words) > MOST_WORDS:
                words = words[:MOST_WORDS]
            numbers.extend(array("I", list(map(number, words))))
            lengths.append(len(words))
        self.words += sum(lengths)
        self.queue_ids.append(queue_id)
        self.lengths.append(tuple(lengths))

    def ranked(self) -> tuple[list[bytes], Numbers]:
        """All words in the order of their bytes, and the place in it of each number."""
        order = sorted((word.encode(), number) for word, number in self._numbers.items())
        ranks = np.empty(len(order), np.int64)
        ranks[[number for _, number in order]] = np.arange(len(order))
        return [word for word, _ in order], ranks

    def posted(self, name: str, words: Sequence[bytes], ranks: Numbers) -> Iterator[Posted]:
        """The postings of a field, word by word, given what is `ranked`."""
        column = FIELDS.index(name)
        lengths = np.array([some[column] for some in self.lengths], np.int64)
        return _posted(_ordered(self._fields[name], lengths, ranks), words)


def build(pool: Pool, pause: Callable[[], None]) -> Built:
    """A segment of everything in `pool`; `pause` is called in between."""
    builder = Builder(compress=False)
    for number, (queue_id, lengths) in enumerate(zip(pool.queue_ids, pool.lengths, strict=True)):
        builder.document(queue_id, lengths)
        if number % 500 == 0:
            pause()
    words, ranks = pool.ranked()
    for name in FIELDS:
        for _ in builder.field(name, pool.posted(name, words, ranks)):
            pause()
    return builder.finish()


def _ordered(numbers: array[int], lengths: Numbers, ranks: Numbers) -> Numbers:
    """word << 32 | document << 16 | place of every word, ascending."""
    keys = ranks[np.frombuffer(numbers, np.uint32)]
    keys <<= _WORD - _DOCUMENT
    keys |= np.repeat(np.arange(len(lengths)), lengths)
    keys <<= _DOCUMENT
    keys |= np.arange(len(keys)) - np.repeat(lengths.cumsum() - lengths, lengths)
    keys.sort(kind="stable")  # which makes use of the order that is there
    return keys[np.searchsorted(keys, 1 << _WORD) :]


def _posted(keys: Numbers, encoded: Sequence[bytes]) -> Iterator[Posted]:
    pairs = keys >> _DOCUMENT
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    counts = np.diff(firsts, append=len(keys))
    pairs = pairs[firsts]
    numbers = pairs >> _WORD - _DOCUMENT
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    sizes = np.diff(starts, append=len(pairs))
    words = list(map(encoded.__getitem__, numbers[starts].tolist()))
    return posted(words, sizes, pairs & 0xFFFF, counts, keys & 0xFFFF)
