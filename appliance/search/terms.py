"""Whoosh's table of words (its OrderedHashWriter's file), made in memory in one go.

The bytes are what Whoosh's own writer would give: entries in order of their keys, 256 hash tables
of pointers to them, a directory of the tables, and the places of the entries once more in order,
for those who look for a prefix. Its writer makes a dozen small writes an entry.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping
from itertools import accumulate
from pickle import dumps
from sys import byteorder
from zlib import crc32

_HEADER = struct.Struct("!4sBii")
_ENTRY = struct.Struct("!ii")
_TABLE = struct.Struct("!qi")
_LENGTH = struct.Struct("!i")
_CRC32 = 1
_BUCKETS = 256


class TermTable:
    """Words with what is known of each, added in ascending order."""

    def __init__(self) -> None:
        self._entries = list[bytes]()
        self._hashes = list[int]()

    def add(self, key: bytes, value: bytes) -> None:
        """The next entry."""
        self._entries.append(_ENTRY.pack(len(key), len(value)) + key + value)
        self._hashes.append(crc32(key))

    def finish(self, extras: Mapping[str, object]) -> bytes:
        """The whole file; `extras` are what Whoosh keeps beside the entries."""
        header = _HEADER.pack(b"HSH3", _CRC32, 0, 0)
        out = bytearray(header + b"".join(self._entries))
        starts = list(accumulate(map(len, self._entries), initial=len(header)))[:-1]
        buckets: list[list[tuple[int, int]]] = [[] for _ in range(_BUCKETS)]
        for hashed, place in zip(self._hashes, starts, strict=True):
            buckets[hashed & 255].append((hashed, place))
        tables = []
        for entries in buckets:
            tables.append((len(out), 2 * len(entries)))
            out += _hash_table(entries)
        for table in tables:
            out += _TABLE.pack(*table)
        start = len(out)
        kind = "I" if starts and starts[-1] < 1 << 32 else "q"
        places = array(kind, starts)
        if byteorder == "little":
            places.byteswap()
        out += dumps({**extras, "indextype": kind, "indexlen": len(places)}, 3)
        out += places.tobytes()
        out += _LENGTH.pack(len(out) - start)
        return bytes(out)


def _hash_table(entries: list[tuple[int, int]]) -> bytes:
    """Open addressing over twice as many slots as entries; an empty slot is two zeros."""
    slots = 2 * len(entries)
    table: list[int] = [0] * (2 * slots)
    for hashed, place in entries:
        slot = (hashed >> 8) % slots
        while table[2 * slot + 1]:
            slot = (slot + 1) % slots
        table[2 * slot : 2 * slot + 2] = (hashed, place)
    return struct.pack("!" + "Iq" * slots, *table)
