"""Reads back some of the content that a spool holds, to learn of damage before a client does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import apsw

from appliance.spool.schema import NUMBER_BITS, open_reader, rows
from appliance.spool.tables import Tables

BUDGET = 64 << 20
"""Bytes that are read at a time; one message may be more."""
_NEXT = (
    "SELECT key, size, digest, external FROM message WHERE key>=? AND key<? ORDER BY key LIMIT 1"
)


@dataclass(frozen=True)
class Sample:
    """How many messages were read, of how many bytes, and whose content is not what it was."""

    messages: int
    size: int
    damaged: tuple[str, ...]


def sample(spool: Path, many: int, random: Random) -> Sample:
    """Read so many messages at random, or fewer large ones.

    Raises apsw.Error, OSError if nothing can be read.
    """
    db = open_reader(str(spool / "spool.db"))
    try:
        tables = Tables(db, spool / "content")
        read, size, damaged = 0, 0, list[str]()
        for row in _chosen(db, tables, many, random):
            if size >= BUDGET:
                break
            read, size = read + 1, size + row[1]
            if name := _damaged(tables, *row):
                damaged.append(name)
        return Sample(read, size, tuple(damaged))
    finally:
        db.close()


def _chosen(
    db: apsw.Connection, tables: Tables, many: int, random: Random
) -> Sequence[Sequence[Any]]:
    spans = []
    for index in tables.indexes:
        first, end = index << NUMBER_BITS, (index + 1) << NUMBER_BITS
        last = db.execute("SELECT max(key) FROM message WHERE key>=? AND key<?", (first, end)).get
        if last is not None:
            spans.append((first, last))
    found = {}
    for _ in range(many if spans else 0):
        first, last = random.choices(spans, [last - first for first, last in spans])[0]
        for row in rows(db, _NEXT, (random.randint(first, last), last + 1)):
            found[row[0]] = row
    return list(found.values())


def _damaged(tables: Tables, key: int, size: int, digest: bytes, external: bool) -> str:
    """Its queue id if its content is not what it was, else ""."""
    name = tables.queue_id(key)
    if external:
        hashed, length = sha256(), 0
        for piece in tables.body(name):
            hashed.update(piece)
            length += len(piece)
        sound = length == size and hashed.digest() == digest
    else:
        sound = tables.content(name, digest) is not None
    # What was pruned meanwhile is not damaged.
    return "" if sound or not tables.knows(name) else name
