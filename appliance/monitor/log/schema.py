"""The database of events, and how it is opened; it holds nothing that a log or a peer had not."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlite_utils import Database, Migrations

NUMBER_BITS = 40
"""Bits of an event's id that are its number; above them stands its source."""
NUMBER_MASK = (1 << NUMBER_BITS) - 1
_CACHE_KIB = 4096
_READ_CACHE_KIB = 8192
_WAL_LIMIT = 16 << 20

migrations = Migrations("events")


@migrations()
def first(db: Database) -> None:
    """Events by source and number; how far log files were read."""
    for statement in _FIRST.split(";"):
        db.execute(statement)


_FIRST = """
-- store: random, one for each database of a node. last: of the numbers it has given.
CREATE TABLE source(
  id INTEGER PRIMARY KEY, store TEXT NOT NULL UNIQUE, node TEXT NOT NULL,
  own INTEGER NOT NULL, last INTEGER NOT NULL DEFAULT 0);
-- id: source << 40 | number, so what comes again is the same row
CREATE TABLE event(
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, process TEXT NOT NULL,
  queue_id TEXT NOT NULL, severity INTEGER NOT NULL, keep INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE INDEX event_at ON event(at);
CREATE INDEX event_name ON event(event, at);
CREATE INDEX event_queue_id ON event(queue_id, at) WHERE queue_id <> '';
CREATE INDEX event_severity ON event(severity, at) WHERE severity > 0;
CREATE INDEX event_keep ON event(keep, at);
CREATE TABLE mark(
  inode INTEGER PRIMARY KEY, log TEXT NOT NULL, offset INTEGER NOT NULL,
  head BLOB NOT NULL, tail BLOB NOT NULL, again INTEGER NOT NULL);
CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID
"""


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; creates what is missing. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # has to come before the first table
        db.execute("PRAGMA journal_mode=WAL")
        # The peer must never have an event whose number a power cut gives to another one here.
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")
        db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        migrations.apply(Database(db, execute_plugins=False))
        path.chmod(0o600)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; raises sqlite3.Error."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    db.execute(f"PRAGMA cache_size=-{_READ_CACHE_KIB}")
    db.execute("PRAGMA query_only=1")
    return db


_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}


def damaged(error: sqlite3.Error) -> bool:
    """Whether the file itself is bad, and no other try will make it better."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _DAMAGE or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def put_aside(path: Path) -> Path:
    """Give a damaged database another name, instead of the one that was damaged before."""
    aside = path.with_name(f"{path.name}.damaged")
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    path.replace(aside)
    return aside
