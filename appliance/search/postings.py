"""Segments of a Whoosh index, written from postings that were pooled in memory.

The files are those of Whoosh's W3 codec: stock Whoosh opens, searches and merges them. Its own
writer sends each posting through tuples, sorts, checks and a file; here a word's postings come
sorted and encoded (`pool`) and are written once. That makes indexing several times faster.
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
from typing import Any
from zlib import crc32

from whoosh.analysis import LowercaseFilter, RegexTokenizer
from whoosh.codec.whoosh3 import W3Codec
from whoosh.fields import STORED, TEXT, Schema
from whoosh.filedb.filestore import RamStorage

from appliance.search.catalogue import File
from appliance.search.positions import counts_of
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

Posted = tuple[bytes, Sequence[int], Sequence[bytes]]
"""A word, the documents it is in (ascending), and its encoded positions in each."""


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
            for word, ids, values in some:
                add(number + word, self._write(ids, values))
            yield

    def _write(self, ids: Sequence[int], values: Sequence[bytes]) -> bytes:
        start, last = len(self._posts), ids[-1]
        if len(ids) == 1:
            total, block = _one(last, values[0])
            highest = total
            whole = _MAGIC + _LENGTH.pack(-len(block)) + block
        elif len(ids) <= _BLOCK:
            total, highest, block = _block(ids, values, self._compress)
            whole = _MAGIC + _LENGTH.pack(-len(block)) + block
        else:
            total, highest, pieces = 0.0, 0.0, [_MAGIC]
            for first in range(0, len(ids), _BLOCK):
                end = first + _BLOCK
                weight, most, block = _block(
                    ids[first:end], values[first:end], self._compress
                )
                # A negative length marks the last block.
                pieces += (_LENGTH.pack(len(block) if end < len(ids) else -len(block)), block)
                total += weight
                highest = max(highest, most)
            whole = b"".join(pieces)
        self._posts += whole
        return _TERM.pack(
            0, total, len(ids), _SHORTEST, _LONGEST, highest, ids[0], last, start, len(whole)
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


def _one(document: int, value: bytes) -> tuple[float, bytes]:
    """What most words have, a block of one document: its weight, its bytes.

    The same two pickles as in `_block`, put together by hand.
    """
    (weight,) = counts_of((value,))
    size = len(value)
    if weight > 255 or size > 255:
        total, _, block = _block((document,), (value,), False)
        return total, block
    number, most = _pickled[document], _FLOATS[weight]
    shown = b"N" if weight == 1 else most
    return weight, b"".join(
        (
            *(_ONE_BEGINS, number, most, _ONE_ENDS),
            *(b"\x80\x03", number, b"\x85", shown, _SIZES[size], value, b"\x85\x87."),
        )
    )


def _block(
    ids: Sequence[int], values: Sequence[bytes], compress: bool
) -> tuple[float, float, bytes]:
    """One block: the sum of its weights (counts of positions), the highest, its bytes."""
    weights = counts_of(values)
    total, most = float(sum(weights)), float(max(weights))
    shown: object = tuple(map(float, weights))
    if min(weights) == most:
        shown = None if most == 1.0 else most
    steps = (ids[0], *map(sub, ids[1:], ids))
    data = dumps((steps, shown, tuple(values)), _PICKLE)
    compressed = compress and len(data) >= _COMPRESSED_FROM
    if compressed:
        data = zlib.compress(data, 1)
    header = dumps((len(ids), ids[-1], most, int(compressed), _SHORTEST, _LONGEST), _PICKLE)
    return total, most, header + data
