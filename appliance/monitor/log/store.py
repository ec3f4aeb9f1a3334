"""Keeps the events of both nodes: this node's get their numbers here, the other's keep theirs.

Commit point of an event: the transaction that has it, which also has how far its log file was
read, or nothing of the peer's batch. A crash before it reads the same again, and a crash after it
goes on behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance.monitor.log.entry import Entry
from appliance.monitor.log.follow import Harvest, Mark
from appliance.monitor.log.schema import NUMBER_BITS, damaged, open_writer, put_aside

_ADD = "INSERT OR IGNORE INTO event VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
_SOURCES = "SELECT id, store, node, own, last FROM source"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One database that gave events their numbers: its name, its node, and the last number.

    `own`: it is the one in use at the node that tells of it.
    """

    store: str
    node: str
    last: int
    own: bool = False


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Events of source `store` as one node gives them to the other, by number.

    They are all that is left of the numbers after `after` up to `upto`. `sources` are all that
    the answering node has.
    """

    sources: tuple[Source, ...]
    store: str = ""
    after: int = 0
    upto: int = 0
    entries: tuple[Entry, ...] = ()


class Store:
    """The database at `path` of the node called `node`, for one thread."""

    def __init__(self, path: Path, node: str, new_name: Callable[[], str]) -> None:
        """`new_name` gives names never used before."""
        self.path = path
        self._node = node
        self._new_name = new_name
        self._db: sqlite3.Connection | None = None
        self._own = 0
        self._last = 0

    def open(self) -> bool:
        """Open or make it; False if what was there was damaged and is put aside.

        Raises sqlite3.Error if it cannot be opened now.
        """
        try:
            self._open()
        except sqlite3.Error as error:
            if not damaged(error):
                raise
            self.put_aside()
            self._open()
            return False
        return True

    def close(self) -> None:
        """Close it."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def put_aside(self) -> None:
        """It is damaged: it gets another name, for whoever wants to look at it."""
        self.close()
        put_aside(self.path)

    @property
    def db(self) -> sqlite3.Connection:
        """The connection; only while it is open."""
        assert self._db is not None
        return self._db

    def _open(self) -> None:
        self.close()
        self._db = open_writer(self.path)
        try:
            found = [row for row in self.db.execute(_SOURCES) if row[3]]
            if found:
                self._own, _, _, _, self._last = found[-1]
            else:
                self.begin_anew()
        except BaseException:
            self.close()
            raise

    def begin_anew(self) -> None:
        """Give numbers under a new name: those of before may have been given twice."""
        with self.transaction():
            self.db.execute("UPDATE source SET own=0")
            own = Source(store=self._new_name(), node=self._node, last=0, own=True)
            self._own = self._source(own)
            self._last = 0

    def marks(self) -> Sequence[Mark]:
        """How far each log file was read."""
        rows = self.db.execute("SELECT inode, log, offset, head, tail, again FROM mark")
        return [Mark(*row) for row in rows]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        last = self._last
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self._last = last
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def add(self, harvest: Harvest) -> None:
        """What was read from this node's log files, inside a transaction."""
        new = [*harvest.entries, *(one for one in harvest.again if not self._has(one))]
        self._insert(self._own, enumerate(new, self._last + 1))
        self._last += len(new)
        self.db.execute("UPDATE source SET last=? WHERE id=?", (self._last, self._own))
        self.db.executemany("DELETE FROM mark WHERE inode=?", [(one,) for one in harvest.gone])
        self.db.executemany(
            "INSERT OR REPLACE INTO mark VALUES(?, ?, ?, ?, ?, ?)",
            [
                (one.inode, one.log, one.offset, one.head, one.tail, one.again)
                for one in harvest.marks
            ],
        )

    def take(self, feed: Feed) -> int:
        """What the other node gave, inside a transaction; returns how much of it had gone there.

        Of a database that this node had before, only what is older than anything it has read
        since: the rest it has read once more itself.
        """
        named = {one.store: one for one in feed.sources}[feed.store]
        source = self._source(msgspec.structs.replace(named, last=0, own=False))
        (last,) = self.db.execute("SELECT last FROM source WHERE id=?", (source,)).fetchone()
        new = [one for one in feed.entries if one.number > last]
        missing = feed.upto - last - len(new) if last else 0
        if named.node == self._node:
            oldest, missing = self._oldest(), 0
            new = [one for one in new if oldest is None or one.at < oldest]
        self._insert(source, ((one.number, one) for one in new))
        self.db.execute("UPDATE source SET last=max(last, ?) WHERE id=?", (feed.upto, source))
        return max(missing, 0)

    def _has(self, one: Entry) -> bool:
        low = self._own << NUMBER_BITS
        query = (
            "SELECT 1 FROM event INDEXED BY event_at WHERE at=? AND id BETWEEN ? AND ?"
            " AND event=? AND process=? AND queue_id=? AND fields=?"
        )
        what = (one.event, one.process, one.queue_id, one.fields)
        return self.db.execute(query, (one.at, low, low + self._last, *what)).fetchone() is not None

    def _oldest(self) -> int | None:
        low = self._own << NUMBER_BITS
        query = "SELECT min(at) FROM event WHERE id > ? AND id <= ?"
        (oldest,) = self.db.execute(query, (low, low + self._last)).fetchone()
        return oldest if oldest is None else int(oldest)

    def _source(self, source: Source) -> int:
        self.db.execute(
            "INSERT OR IGNORE INTO source(store, node, own, last) VALUES(?, ?, ?, ?)",
            (source.store, source.node, source.own, source.last),
        )
        query = "SELECT id FROM source WHERE store=?"
        return int(self.db.execute(query, (source.store,)).fetchone()[0])

    def _insert(self, source: int, numbered: Iterator[tuple[int, Entry]]) -> None:
        base = source << NUMBER_BITS
        self.db.executemany(
            _ADD,
            (
                (
                    base + number,
                    one.at,
                    one.event,
                    one.process,
                    one.queue_id,
                    one.severity,
                    one.keep,
                    one.fields,
                )
                for number, one in numbered
            ),
        )
