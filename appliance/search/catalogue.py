"""The catalogue of an index in SQLite: what is looked up, and which commit of a partition counts.

Its commit is the commit of the index: a partition's files are durable before it, and files that
it does not name are removed after it. So whatever a crash leaves behind is of no account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

import apsw
import msgspec

VERSION = 2


class Kind(IntEnum):
    """What a name in the catalogue is."""

    SENDER = 0
    RECIPIENT = 1
    MESSAGE_ID = 2


class State(IntFlag):
    """Where the recipients of a message stand: a bit for each that at least one has."""

    QUEUED = 1
    DEFERRED = 2
    HELD = 4
    DELIVERED = 8
    BOUNCED = 16
    REMOVED = 32


STATE_NAMES: Mapping[str, State] = {
    "queued": State.QUEUED,
    "deferred": State.DEFERRED,
    "held": State.HELD,
    "delivered": State.DELIVERED,
    "bounced": State.BOUNCED,
    "removed": State.REMOVED,
}


class Document(msgspec.Struct, frozen=True):
    """One message in the index; `names` are what it can be looked up by."""

    queue_id: str
    received: int
    state: int
    names: tuple[tuple[int, str], ...]


class File(msgspec.Struct, frozen=True, array_like=True):
    """A segment's file: its name, documents, bytes, and a checksum of its end (`seal`)."""

    name: str
    documents: int
    size: int
    seal: int


class PartitionRow(msgspec.Struct, frozen=True):
    """A partition as it was committed; positions from `first` on are its own.

    `seal` is the checksum of the table of contents of this generation.
    """

    id: int
    first: int
    generation: int = 0
    seal: int = 0
    files: tuple[File, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """How far the spool's journal is in the index: the last segment, and each incarnation's tip.

    `spool` names the spool that was followed; `complete`: nothing older is missing, as far as is
    known.
    """

    spool: str = ""
    lsn: int = 0
    tips: dict[int, int] = {}
    complete: bool = False


_SCHEMA = f"""
CREATE TABLE mark(id INTEGER PRIMARY KEY CHECK(id=1), value BLOB NOT NULL);
CREATE TABLE partition(
  id INTEGER PRIMARY KEY, first INTEGER NOT NULL, generation INTEGER NOT NULL,
  seal INTEGER NOT NULL, files BLOB NOT NULL);
-- gone: no longer in the spool; the row goes when the partition is merged
CREATE TABLE document(
  position INTEGER PRIMARY KEY, queue_id TEXT NOT NULL UNIQUE, received INTEGER NOT NULL,
  state INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0, names BLOB NOT NULL);
CREATE TABLE name(
  kind INTEGER NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY(kind, name, position)) WITHOUT ROWID;
PRAGMA user_version={VERSION};
"""
_files = msgspec.msgpack.Decoder(tuple[File, ...])
_names = msgspec.msgpack.Decoder(tuple[tuple[int, str], ...])
_marks = msgspec.msgpack.Decoder(Mark)
_encode = msgspec.msgpack.Encoder().encode


class OtherVersion(Exception):
    """The catalogue was written by another release: the index has to be made anew."""


def open_catalogue(path: Path, *, readonly: bool = False) -> apsw.Connection:
    """A connection to the catalogue; creates it unless `readonly`. Raises OtherVersion."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else None
    db = apsw.Connection(str(path), flags=flags) if flags else apsw.Connection(str(path))
    db.set_busy_timeout(5000)
    if not readonly:
        db.pragma("journal_mode", "WAL")
        # FULL: files that the commit no longer names are removed right after it.
        db.pragma("synchronous", "FULL")
        db.pragma("temp_store", "MEMORY")
        if db.pragma("user_version") == 0:
            with db:
                db.execute(_SCHEMA)
    version = db.pragma("user_version")
    if version != VERSION:
        db.close()
        raise OtherVersion(f"{path} has schema {version}, this release reads {VERSION}")
    return db


class Catalogue:
    """Reads and changes the catalogue; a change is durable when `with catalogue.changing()` ends.

    For one thread at a time. Raises apsw.Error.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def changing(self) -> apsw.Connection:
        """A transaction, as a context."""
        return self._db

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def mark(self) -> Mark:
        """How far the journal is in the index."""
        found = self._db.execute("SELECT value FROM mark").get
        return _marks.decode(found) if found is not None else Mark()

    def set_mark(self, mark: Mark) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark VALUES(1, ?)", (_encode(mark),))

    def partitions(self) -> list[PartitionRow]:
        """All partitions, oldest first."""
        return [
            PartitionRow(id_, first, generation, seal, _files.decode(files))
            for id_, first, generation, seal, files in _rows(
                self._db, "SELECT id, first, generation, seal, files FROM partition ORDER BY id"
            )
        ]

    def set_partition(self, row: PartitionRow) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO partition VALUES(?,?,?,?,?)",
            (row.id, row.first, row.generation, row.seal, _encode(row.files)),
        )

    def next_position(self) -> int:
        """The position that the next message gets."""
        highest: int | None = self._db.execute("SELECT max(position) FROM document").get
        return (highest or 0) + 1

    def add(self, first: int, documents: Iterable[Document]) -> None:
        """Note documents at the positions from `first` on."""
        documents = list(documents)
        self._db.executemany(
            "INSERT INTO document(position, queue_id, received, state, names) VALUES(?,?,?,?,?)",
            (
                (position, one.queue_id, one.received, one.state, _encode(one.names))
                for position, one in enumerate(documents, first)
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO name VALUES(?,?,?)",
            (
                (kind, name, position)
                for position, one in enumerate(documents, first)
                for kind, name in one.names
            ),
        )

    def known(self, queue_ids: Sequence[str]) -> set[str]:
        """Those of some messages that are in the index."""
        marks = ",".join("?" * len(queue_ids))
        sql = f"SELECT queue_id FROM document WHERE queue_id IN ({marks})"
        return {queue_id for (queue_id,) in _rows(self._db, sql, tuple(queue_ids))}

    def columns(self, first: int, end: int | None) -> list[Sequence[int]]:
        """(position, received, state, gone) of the documents from `first` to before `end`."""
        return list(
            _rows(
                self._db,
                "SELECT position, received, state, gone FROM document"
                " WHERE position>=? AND position<? ORDER BY position",
                (first, _END if end is None else end),
            )
        )

    def page(self, after: int, limit: int) -> list[tuple[int, str, int]]:
        """(position, queue id, state) of documents that are not gone, from behind `after`."""
        return list(
            _rows(
                self._db,
                "SELECT position, queue_id, state FROM document WHERE position>? AND NOT gone"
                " ORDER BY position LIMIT ?",
                (after, limit),
            )
        )

    def ids(self, first: int, end: int | None) -> list[tuple[int, str, int]]:
        """(position, queue id, gone) of the documents from `first` to before `end`."""
        return list(
            _rows(
                self._db,
                "SELECT position, queue_id, gone FROM document WHERE position>=? AND position<?"
                " ORDER BY position",
                (first, _END if end is None else end),
            )
        )

    def set_state(self, queue_id: str, state: int) -> int | None:
        """Note where a message stands; returns its position if that is new."""
        position: int | None = self._db.execute(
            "UPDATE document SET state=? WHERE queue_id=? AND state<>? RETURNING position",
            (state, queue_id, state),
        ).get
        return position

    def set_gone(self, queue_id: str) -> int | None:
        """Note that a message is no longer in the spool; returns its position if it was here."""
        position: int | None = self._db.execute(
            "UPDATE document SET gone=1 WHERE queue_id=? AND NOT gone RETURNING position",
            (queue_id,),
        ).get
        return position

    def forget(self, positions: Iterable[int]) -> None:
        """Remove documents that are in no segment any more."""
        for position in positions:
            names = self._db.execute(
                "DELETE FROM document WHERE position=? RETURNING names", (position,)
            ).get
            if names is not None:
                self._db.executemany(
                    "DELETE FROM name WHERE kind=? AND name=? AND position=?",
                    ((kind, name, position) for kind, name in _names.decode(names)),
                )


_END = (1 << 63) - 1


class Lookups:
    """Names and queue ids, looked up on a connection of its own; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = open_catalogue(path, readonly=True)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def named(self, kind: Kind, name: str, first: int, last: int) -> list[int]:
        """The positions from `first` to `last` at which a name stands, ascending."""
        sql = "SELECT position FROM name WHERE kind=? AND name=? AND position BETWEEN ? AND ?"
        found = self._db.execute(f"{sql} ORDER BY position", (int(kind), name, first, last))
        return [position for (position,) in found]

    def position(self, queue_id: str) -> int | None:
        """Where a message is in the index."""
        found: int | None = self._db.execute(
            "SELECT position FROM document WHERE queue_id=?", (queue_id,)
        ).get
        return found

    def document(self, position: int) -> tuple[str, int, int]:
        """(queue id, received, state); raises LookupError."""
        row = self._db.execute(
            "SELECT queue_id, received, state FROM document WHERE position=?", (position,)
        ).fetchone()
        if row is None:
            raise LookupError(f"nothing at {position}")
        return row[0], row[1], row[2]


def _rows(db: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
    return db.execute(sql, values)
