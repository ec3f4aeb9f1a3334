"""Checks a journal from its first segment to its tip, knowing nothing of the code that wrote it.

What it goes by is the format alone: a segment is a msgpack array of incarnation, first number,
predecessor's hash, epoch, running time and records; its hash is the first half of SHA-256 over it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from hashlib import sha256
from typing import Any

import apsw
import msgspec

Registry = MutableMapping[tuple[bytes, int], bytes]
"""What every record number of every incarnation was seen to hold, on any node, at any time."""

_encode = msgspec.msgpack.Encoder().encode


def check_chain(db: apsw.Connection, whole: bool) -> dict[bytes, tuple[int, bytes]]:
    """Raises AssertionError; returns the tip of each incarnation.

    `whole`: the journal was never pruned nor replaced by a snapshot, so it begins with record 1.
    """
    known: dict[int, tuple[bytes, int, bytes]] = {}
    for idx, id_, seq, hash_ in _rows(db, "SELECT idx, id, seq, hash FROM incarnation"):
        known[idx] = (id_, seq, hash_)
    ends: dict[int, tuple[int, bytes]] = {}
    for inc, first, last, hash_, data in _rows(
        db, "SELECT inc, first, last, hash, segment FROM journal ORDER BY lsn"
    ):
        incarnation, number, previous, _, _, records = msgspec.msgpack.decode(data)
        assert incarnation == known[inc][0], "a segment is filed under another incarnation"
        assert (number, number + len(records) - 1) == (first, last), "misnumbered"
        assert records, "an empty segment"
        assert hash_ == _hash(data), f"segment {first}..{last} is not what was hashed"
        if inc in ends:
            assert first == ends[inc][0] + 1, f"{incarnation.hex()}: {first} after {ends[inc][0]}"
            assert previous == ends[inc][1], f"{incarnation.hex()}: another hash before {first}"
        elif whole:
            assert (first, previous) == (1, b""), f"{incarnation.hex()} begins at {first}"
        ends[inc] = (last, hash_)
    for inc, end in ends.items():
        assert end == known[inc][1:], "the journal does not end at its tip"
    if whole:
        assert all(inc in ends for inc, (_, seq, _) in known.items() if seq), "a tip, no records"
    return {id_: (seq, hash_) for id_, seq, hash_ in known.values() if seq}


def note_records(registry: Registry, data: bytes) -> None:
    """Raises AssertionError if a number of a segment was used for anything else before."""
    incarnation, first, _, _, _, records = msgspec.msgpack.decode(data)
    for seq, record in enumerate(records, first):
        told = _encode(record)
        before = registry.setdefault((incarnation, seq), told)
        assert before == told, f"record {seq} of {incarnation.hex()} was something else before"


def note_journal(registry: Registry, db: apsw.Connection) -> None:
    """`note_records` for all that a journal holds."""
    for (data,) in _rows(db, "SELECT segment FROM journal"):
        note_records(registry, data)


def _hash(data: bytes) -> bytes:
    return sha256(data).digest()[:16]


def _rows(db: apsw.Connection, sql: str) -> Any:
    return db.execute(sql)
