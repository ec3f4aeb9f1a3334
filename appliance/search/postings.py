"""Segments of a Whoosh index, written from postings that were pooled in memory.

The files are those of Whoosh's W3 codec: stock Whoosh opens, searches and merges them. Its own
writer sends each posting through tuples, sorts, checks and a file; here a word's postings come
sorted and encoded (`pool`) and are written once. That makes indexing several times faster.

Behind what stock Whoosh reads of a word stands the same once more, as three arrays of 16-bit
numbers: places, how many of them in each document, documents. They are what we read (`segment`):
nothing is unpickled or decompressed for a question, and stock Whoosh does not look there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from mmap import mmap
from operator import sub
from pickle import dumps
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from whoosh.analysis import LowercaseFilter, RegexTokenizer
from whoosh.codec.whoosh3 import W3Codec
from whoosh.fields import STORED, TEXT, Schema
from whoosh.filedb.filestore import RamStorage

from appliance.search.catalogue import File
from appliance.search.positions import Numbers, encode_all
from appliance.search.terms import TermTable
from appliance.search.words import TOKENS

_SEALED = 64 * 1024
INDEX = "MAIN"
"""The name under which stock Whoosh looks for an index in a folder."""
FIELDS = ("attachment", "body", "from", "head", "subject", "to")
"""In order. `head` has the words of all the others but `body`: a word that is asked for without
a field is looked up twice, not five times."""
_BLOCK = 512
_COMPRESSED_FROM = 512
"""Below this, the time that zlib takes to begin is not worth what it saves."""
_PICKLE = 3
"""Whoosh says 2, which has no bytes and spells them as calls; it reads either."""
_MAGIC = b"W3Bl"
_TERM = struct.Struct("!BfIBBfIIqi")  # what W3TermInfo reads, its extent included
_NUMBER = struct.Struct("!H")
_LENGTH = struct.Struct("!i")
# Bounds of lengths in a block, as bytes on Whoosh's scale: with these its scorer skips nothing.
_SHORTEST, _LONGEST = 0, 255

NUMBER = np.dtype("<u2")
"""Of documents, counts and places in the arrays."""


class Posted(NamedTuple):
    """A word, the documents it is in (ascending); for each how often it is there, and its encoded
    places; the same as arrays."""

    word: bytes
    ids: Sequence[int]
    counts: Sequence[int]
    values: Sequence[bytes]
    arrays: bytes


def posted(
    words: Sequence[bytes], sizes: Numbers, ids: Numbers, counts: Numbers, places: Numbers
) -> Iterator[Posted]:
    """Words that are in `sizes` documents each: `ids`, with `counts` of `places` in each."""
    firsts = counts.cumsum() - counts
    ends = sizes.cumsum()
    values = encode_all(places, firsts)
    some_ids, some_counts, some_places = (
        each.astype(NUMBER).tobytes() for each in (ids, counts, places)
    )
    listed, weights = ids.tolist(), counts.tolist()
    bounds = np.append(firsts, len(places))
    start = begin = 0
    for word, end, last in zip(words, ends.tolist(), bounds[ends].tolist(), strict=True):
        arrays = b"".join(
            (
                some_places[2 * begin : 2 * last],
                some_counts[2 * start : 2 * end],
                some_ids[2 * start : 2 * end],
            )
        )
        yield Posted(word, listed[start:end], weights[start:end], values[start:end], arrays)
        start, begin = end, last


def seal(data: bytes | mmap) -> int:
    """The checksum of a file's beginning and end: where what is cut off or torn shows."""
    return crc32(data[-_SEALED:], crc32(data[:_SEALED]))


def schema() -> Any:
    """The fields as stock Whoosh is told of them: only classes of its own get pickled."""
    analyzer = RegexTokenizer(TOKENS) | LowercaseFilter()
    text = {name: TEXT(analyzer=analyzer) for name in FIELDS}
    return Schema(queue_id=STORED(), **text)


@dataclass(frozen=True)
class Built:
    """A segment in memory: Whoosh's description of it, its file's name and content."""

    segment: Any
    name: str
    data: bytes

    def file(self) -> File:
        """What the catalogue notes of it."""
        return File(self.name, self.segment.doc_count_all(), len(self.data), seal(self.data))


class Builder:
    """Builds one segment: documents first, then the fields in the order of FIELDS.

    `compress`: for a segment that is to stay; it takes time to write and to read.
    """

    def __init__(self, compress: bool) -> None:
        self._compress = compress
        self._codec = W3Codec(blocklimit=_BLOCK)
        self._ram = RamStorage()
        self._schema = schema()
        self._segment = self._codec.new_segment(self._ram, INDEX)
        self._documents = self._codec.per_document_writer(self._ram, self._segment)
        self._count = 0
        self._terms = TermTable()
        self._posts = bytearray()

    def document(self, queue_id: str, lengths: Sequence[int]) -> None:
        """The next document; `lengths`: how many words its FIELDS have."""
        writer = self._documents
        writer.start_doc(self._count)
        writer.add_field("queue_id", self._schema["queue_id"], queue_id, 0)
        for name, length in zip(FIELDS, lengths, strict=True):
            if length:
                writer.add_field(name, self._schema[name], None, length)
        writer.finish_doc()
        self._count += 1

    def field(self, name: str, posted: Iterable[Posted], step: int = 2000) -> Iterator[None]:
        """Write a field's postings; stops now and then so that other work can be done."""
        number = _NUMBER.pack(FIELDS.index(name))
        add, postings = self._terms.add, iter(posted)
        while some := list(islice(postings, step)):
            for one in some:
                add(number + one.word, self._write(one))
            yield

    def _write(self, one: Posted) -> bytes:
        start, first, last = len(self._posts), one.ids[0], one.ids[-1]
        if first == last:
            blocks = [_single(first, one.counts[0], one.values[0])]
        else:
            cuts = [slice(at, at + _BLOCK) for at in range(0, len(one.ids), _BLOCK)]
            blocks = [
                _block(one.ids[cut], one.counts[cut], one.values[cut], self._compress)
                for cut in cuts
            ]
        pieces = [_MAGIC]
        for block in blocks[:-1]:
            pieces += (_LENGTH.pack(len(block)), block)
        # A negative length marks the last block: what comes behind it Whoosh leaves alone.
        pieces += (_LENGTH.pack(-len(blocks[-1])), blocks[-1], one.arrays)
        whole = b"".join(pieces)
        self._posts += whole
        total, most = sum(one.counts), max(one.counts)
        return _TERM.pack(
            *(0, total, len(one.ids), _SHORTEST, _LONGEST, most, first, last, start, len(whole))
        )

    def finish(self) -> Built:
        """The whole segment as one compound file."""
        fieldmap = {name: number for number, name in enumerate(FIELDS)}
        self._put(W3Codec.TERMS_EXT, self._terms.finish({"fieldmap": fieldmap}))
        self._put(W3Codec.POSTS_EXT, bytes(self._posts))
        self._documents.close()
        self._segment.set_doc_count(self._count)
        self._segment.create_compound_file(self._ram)
        name = self._segment.make_filename(self._segment.COMPOUND_EXT)
        return Built(self._segment, name, self._ram.files[name])

    def _put(self, extension: str, data: bytes) -> None:
        self._ram.files[self._segment.make_filename(extension)] = data


class _Pickled(dict[int, bytes]):
    """Numbers of documents as they stand in a pickle: BININT1 or BININT2."""

    def __missing__(self, number: int) -> bytes:
        self[number] = dumps(number, _PICKLE)[2:-1]
        return self[number]


_pickled = _Pickled()
_FLOATS = [dumps(float(number), _PICKLE)[2:-1] for number in range(256)]
_ONE_BEGINS = b"\x80\x03(K\x01"
_ONE_ENDS = b"K\0K\0K\xfft."
_SIZES = [b"C" + bytes([size]) for size in range(256)]


def _single(document: int, count: int, value: bytes) -> bytes:
    """What most words have, a block of one document: the same as from `_block`, by hand."""
    size = len(value)
    if count > 255 or size > 255:
        return _block((document,), (count,), (value,), False)
    number, most = _pickled[document], _FLOATS[count]
    shown = b"N" if count == 1 else most
    return b"".join(
        (
            *(_ONE_BEGINS, number, most, _ONE_ENDS),
            *(b"\x80\x03", number, b"\x85", shown, _SIZES[size], value, b"\x85\x87."),
        )
    )


def _block(
    ids: Sequence[int], counts: Sequence[int], values: Sequence[bytes], compress: bool
) -> bytes:
    """What the block says of itself, then documents, weights (counts) and places."""
    most = float(max(counts))
    weights: object = tuple(map(float, counts))
    if min(counts) == most:
        weights = None if most == 1.0 else most
    steps = (ids[0], *map(sub, ids[1:], ids))
    data = dumps((steps, weights, tuple(values)), _PICKLE)
    compressed = compress and len(data) >= _COMPRESSED_FROM
    if compressed:
        data = zlib.compress(data, 1)
    header = dumps((len(ids), ids[-1], most, int(compressed), _SHORTEST, _LONGEST), _PICKLE)
    return header + data
