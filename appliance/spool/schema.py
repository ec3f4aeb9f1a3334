"""The tables of spool.db, and how a connection to them is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import Any

import apsw

VERSION = 3
HELD = 1 << 62
"""The `wake` of a slot whose recipients are held: never due."""
NUMBER_BITS = 40
"""A message's key is its incarnation's `idx` above so many bits of its number."""


class Stage(IntEnum):
    """Where a message stands as a whole.

    OPEN: not every recipient has come to its end. KEPT: all have, and a mailbox holds it.
    """

    OPEN = 0
    ENDED = 1
    KEPT = 2


_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- shared: last sequence that the peer said it holds durably; at: running time of its last record
-- pruned: the last record that accepted a message which was pruned since
CREATE TABLE incarnation(
  idx INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, tag TEXT NOT NULL UNIQUE,
  node BLOB NOT NULL,
  seq INTEGER NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL DEFAULT 0,
  shared INTEGER NOT NULL DEFAULT 0, pruned INTEGER NOT NULL DEFAULT 0);
-- lsn: the order in which this node learned of the segments, which respects causality
CREATE TABLE journal(
  lsn INTEGER PRIMARY KEY, inc INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  hash BLOB NOT NULL, segment BLOB NOT NULL);
CREATE UNIQUE INDEX journal_position ON journal(inc, last);
-- arrived: in this node's running time; slots: the message's rows in `schedule`
-- stage: see Stage; since: when it arrived, or came to its end; trace: its segments' lsns
CREATE TABLE message(
  key INTEGER PRIMARY KEY, seq INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL,
  external INTEGER NOT NULL, arrived INTEGER NOT NULL, stage INTEGER NOT NULL,
  since INTEGER NOT NULL, slots BLOB NOT NULL, state BLOB NOT NULL, envelope BLOB NOT NULL,
  trace BLOB NOT NULL);
CREATE INDEX message_stage ON message(stage, since);
CREATE TABLE content(key INTEGER PRIMARY KEY, body BLOB NOT NULL);
-- a lane holds the messages of one incarnation accepted at low < seq <= high: one owner
CREATE TABLE lane(
  id INTEGER PRIMARY KEY, inc INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL);
CREATE TABLE schedule(
  lane INTEGER NOT NULL, domain TEXT NOT NULL, wake INTEGER NOT NULL, key INTEGER NOT NULL,
  PRIMARY KEY(lane, domain, wake, key)) WITHOUT ROWID;
CREATE TABLE lease(
  inc INTEGER NOT NULL, seq INTEGER NOT NULL, key INTEGER NOT NULL,
  PRIMARY KEY(inc, seq)) WITHOUT ROWID;
-- recipients in the queue, by lane and standing (see Standing)
CREATE TABLE tally(
  lane INTEGER NOT NULL, standing INTEGER NOT NULL, recipients INTEGER NOT NULL,
  PRIMARY KEY(lane, standing)) WITHOUT ROWID;
CREATE TABLE mailbox(
  mailbox TEXT NOT NULL, arrived INTEGER NOT NULL, key INTEGER NOT NULL, size INTEGER NOT NULL,
  PRIMARY KEY(mailbox, arrived, key)) WITHOUT ROWID;
CREATE TABLE claim(
  claim BLOB PRIMARY KEY) WITHOUT ROWID;
-- records that could not be applied: kept, shown, and in nobody's way
CREATE TABLE unapplied(
  inc INTEGER NOT NULL, seq INTEGER NOT NULL, key INTEGER, reason TEXT NOT NULL,
  PRIMARY KEY(inc, seq));
"""
_ADDED = {
    1: """
-- versions of the site's document, and the registers (see replica.site_versions and .registers)
CREATE TABLE site(id BLOB PRIMARY KEY, header BLOB NOT NULL, version BLOB NOT NULL);
CREATE TABLE register(
  name TEXT NOT NULL, key TEXT NOT NULL, register BLOB NOT NULL,
  PRIMARY KEY(name, key)) WITHOUT ROWID;
""",
    2: """
-- records of kinds that this release does not know (see carried.py)
CREATE TABLE carried(
  inc INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL,
  kind INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY(inc, seq));
""",
}
"""What a spool of schema N lacks to be one of schema N + 1."""


class SpoolVersion(Exception):
    """The spool was written by a release that this one does not understand."""


def open_writer(path: str, *, vfs: str | None = None, exclusive: bool = False) -> apsw.Connection:
    """The one connection that writes; creates the tables. Raises SpoolVersion, apsw.Error.

    `exclusive` keeps SQLite's WAL index in memory, for file systems without shared memory.
    """
    connection = apsw.Connection(path, vfs=vfs)
    try:
        _prepare(connection, path, exclusive)
    except BaseException:
        with suppress(apsw.Error):
            connection.close()
        raise
    return connection


def _prepare(connection: apsw.Connection, path: str, exclusive: bool) -> None:
    if exclusive:
        connection.pragma("locking_mode", "EXCLUSIVE")
    connection.set_busy_timeout(5000)
    connection.pragma("journal_mode", "WAL")
    # FULL: the WAL is fsynced at every commit. This is the commit point of a message on a node.
    connection.pragma("synchronous", "FULL")
    _start_wal_anew(connection)
    connection.pragma("wal_autocheckpoint", 0 if not exclusive else 1000)
    connection.pragma("cache_size", -16384)
    connection.pragma("temp_store", "MEMORY")
    migrate(connection, path)


def migrate(connection: apsw.Connection, path: str) -> None:
    """Make the tables what this release expects; raises SpoolVersion."""
    version: int = connection.pragma("user_version")
    if version > VERSION:
        raise SpoolVersion(f"{path} has schema {version}, this release understands {VERSION}")
    if version == VERSION:
        return
    with connection:
        if version == 0:
            connection.execute(_SCHEMA)
        for older in range(max(version, 1), VERSION):
            connection.execute(_ADDED[older])
        connection.pragma("user_version", VERSION)


def _start_wal_anew(connection: apsw.Connection) -> None:
    """Copy the WAL to the database before anything is added to it.

    After a failed fsync the WAL in the page cache is not what is on the disk, though the kernel
    thinks it clean: a power cut would lose all that was written behind the missing part.
    """
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def open_reader(path: str) -> apsw.Connection:
    """A read-only connection, for other processes and threads."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(2000)
    return connection


def rows(db: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The rows of a query; what types they have, the schema says."""
    return db.execute(sql, values)
