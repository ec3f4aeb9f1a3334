"""One segment of a Whoosh index, read where it lies: nothing is copied when it is opened.

Stock Whoosh copies every file of a compound segment out of the mapping; here they are views.
Whatever is wrong with the bytes comes out as Damaged.
"""

from __future__ import annotations

import errno
import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError, loads
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from whoosh.codec.whoosh3 import W3Codec, W3PerDocReader
from whoosh.filedb.filetables import FileFormatError, OrderedHashReader
from whoosh.filedb.structfile import StructFile

from appliance.search.catalogue import File
from appliance.search.postings import FIELDS, NUMBER, seal

Mask = NDArray[np.bool_]
Ids = NDArray[np.uint16]
Places = NDArray[np.int64]
_TERM = struct.Struct("!BfIBBfIIqi")
_NUMBER = struct.Struct("!H")
_ENTRY = struct.Struct("!ii")
_DIRECTORY = struct.Struct("!qi")
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    ImportError,
    struct.error,
    zlib.error,
    UnpicklingError,
    FileFormatError,
    NameError,  # whoosh: no such file inside a compound one
)


_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Damaged(Exception):
    """A segment is not what was written."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a broken file leads to into Damaged."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            raise  # says nothing about the file
        raise Damaged(f"{path.name}: {type(error).__name__}: {error}") from error


class Term(NamedTuple):
    """Where the postings of a word lie: in `documents` documents between `first` and `last`."""

    documents: int
    first: int
    last: int
    offset: int
    length: int


class _View:
    """A file over a piece of a mapping, for Whoosh's readers."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._view))[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else min(self._at + size, len(self._view))
        data = bytes(self._view[self._at : end])
        self._at = max(self._at, end)
        return data

    def readline(self) -> bytes:
        rest = bytes(self._view[self._at : self._at + 4096])
        line = rest[: rest.find(b"\n") + 1] or rest
        self._at += len(line)
        return line

    def close(self) -> None:
        self._view = memoryview(b"")


class _Inside:
    """What is in a compound file, as the storage that Whoosh's readers ask."""

    def __init__(self, views: dict[str, memoryview]) -> None:
        self.views = views

    def file_exists(self, name: str) -> bool:
        return name in self.views

    def file_length(self, name: str) -> int:
        return len(self.views[name])

    def open_file(self, name: str) -> Any:
        return StructFile(_View(self.views[name]), name=name)


class Segment:
    """The segment in `file` of `folder`, which Whoosh describes as `segment`; raises Damaged."""

    def __init__(self, folder: Path, file: File, segment: Any) -> None:
        self.path = folder / file.name
        self.segment = segment
        with reading(self.path):
            with open(self.path, "rb") as opened:
                self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            if len(self._map) != file.size or seal(self._map) != file.seal:
                raise ValueError(f"{len(self._map)} bytes, not what was written")
            self.documents: int = segment.doc_count_all()
            if self.documents != file.documents:
                raise ValueError(f"{self.documents} documents, {file.documents} were written")
            self._inside = _Inside(_contents(memoryview(self._map)))
            name = segment.make_filename(W3Codec.TERMS_EXT)
            self._terms = OrderedHashReader(
                self._inside.open_file(name), self._inside.file_length(name)
            )
            self._words = self._inside.views[name]
            self._posts = self._inside.views[segment.make_filename(W3Codec.POSTS_EXT)]
            self._numbers = {
                name: _NUMBER.pack(number)
                for name, number in self._terms.extras["fieldmap"].items()
            }
            if set(self._numbers) != set(FIELDS):
                raise ValueError("other fields than are asked for")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._map)

    def term(self, field: str, word: str) -> Term | None:
        """A word of a field, None if it is in no document."""
        with reading(self.path):
            found = self._terms.get(self._numbers[field] + word.encode())
            return _term(found) if found is not None else None

    def terms(self, field: str, prefix: str = "") -> Iterator[tuple[bytes, Term]]:
        """The words of a field that begin with `prefix`, in order."""
        start = self._numbers[field] + prefix.encode()
        view, end = self._words, self._terms.endofdata
        with reading(self.path):
            at = self._terms.closest_key_pos(start)
            while at is not None and at < end:
                length, size = _ENTRY.unpack_from(view, at)
                if length <= 0 or size != _TERM.size:
                    raise ValueError("no word where one should be")
                at += _ENTRY.size
                key = bytes(view[at : at + length])
                if not key.startswith(start):
                    return
                at += length
                yield key[_NUMBER.size :], _term(view[at : at + size])
                at += size

    def ids(self, term: Term) -> Ids:
        """The documents of a word, ascending."""
        return self._array(term, 0, term.documents)

    def places(self, term: Term, within: Mask) -> Places:
        """document << 16 | place for each place of a word in documents of `within`, ascending."""
        with reading(self.path):
            ids, counts = self.ids(term), self._array(term, 1, term.documents)
            ends = counts.cumsum(dtype=np.int64)
            places = self._array(term, 2, int(ends[-1]))
            chosen = np.flatnonzero(within[ids])
            counts = counts[chosen].astype(np.int64)
            begins = counts.cumsum() - counts
            at = np.arange(int(counts.sum()))
            at += np.repeat(ends[chosen] - counts - begins, counts)
            found: Places = np.repeat(ids[chosen].astype(np.int64) << 16, counts)
            found |= places[at]
            return found

    def arrays(self, term: Term) -> tuple[bytes, bytes, bytes]:
        """The documents of a word, how many places it has in each, and these; see `postings`.

        Raises what `reading` turns into Damaged.
        """
        stop = term.offset + term.length
        ids = stop - NUMBER.itemsize * term.documents
        begin = ids - NUMBER.itemsize * term.documents
        counts = bytes(self._posts[begin:ids])
        if term.documents == 1:
            total = int.from_bytes(counts, "little")
        else:
            total = int(np.frombuffer(counts, NUMBER).sum(dtype=np.int64))
        places = bytes(self._posts[begin - NUMBER.itemsize * total : begin])
        return bytes(self._posts[ids:stop]), counts, places

    def _array(self, term: Term, number: int, size: int) -> Ids:
        """One of the arrays at the end of what there is of a word; raises ValueError."""
        behind = number * term.documents + size
        length = behind * NUMBER.itemsize
        if length > term.length:
            raise ValueError("postings do not add up")
        return np.frombuffer(self._posts, NUMBER, size, term.offset + term.length - length)

    def per_document(self) -> Any:
        """Whoosh's reader of what is stored with each document."""
        with reading(self.path):
            return W3PerDocReader(self._inside, self.segment)


def _contents(data: memoryview) -> dict[str, memoryview]:
    start, _ = _DIRECTORY.unpack_from(data)
    directory = loads(data[start:])
    return {
        name: data[entry["offset"] : entry["offset"] + entry["length"]]
        for name, entry in directory.items()
    }


def _term(value: bytes | memoryview) -> Term:
    _, _, documents, _, _, _, first, last, offset, length = _TERM.unpack(value)
    return Term(documents, first, last, offset, length)
