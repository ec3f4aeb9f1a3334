"""Which events go: what is too old, and the oldest when there is no room.

Chatter ages ten times as fast as the story of mail, what should last twelve times as slowly. Ages
are counted by a clock that never runs faster than twice the running time, so a wall clock that is
set to a wrong year costs no history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.monitor.log.store import Store
from appliance.monitor.severity import Keep

SPEED: Mapping[Keep, float] = {Keep.BRIEFLY: 10.0, Keep.NORMALLY: 1.0, Keep.LONG: 1 / 12}
"""How fast events age."""
BATCH = 2_000
"""Events that go in one transaction."""

_CLOCK = "clock"
_BATCHES = 20
"""Batches that go at one look: what is new waits no longer than that."""
_SMALL, _SHARE = 50, 12_800
"""Events in the smallest batch; bytes of the database for each event of a larger one."""
_LEAST = 1 << 20
"""Bytes of events that stay however short the disk is."""


@dataclass(frozen=True)
class Bounds:
    """How much is kept: `size` in bytes, `age` in milliseconds."""

    size: int
    age: int


class Sweeper:
    """Holds a store to its bounds."""

    def __init__(self, store: Store, bounds: Bounds) -> None:
        self._store = store
        self._bounds = bounds

    def begin(self, wall: int) -> None:
        """Note the time that ages are counted from, once for a database."""
        with self._store.transaction():
            pace(self._store.db, wall, 0)

    def sweep(self, wall: int, elapsed: int) -> None:
        """Let go what is too much, some at a time; `elapsed` milliseconds after the last time."""
        db = self._store.db
        with self._store.transaction():
            now = pace(db, wall, elapsed)
        for _ in range(_BATCHES):
            if not self._drop(now, self._bounds.size):
                break
        if used(db, free=True) > self._bounds.size:
            give_back(db)

    def shed(self, wall: int) -> int:
        """Let half of it go, and give the disk what becomes free; returns how many went."""
        db = self._store.db
        with self._store.transaction():
            now = pace(db, wall, 0)
        size, gone = max(_LEAST, used(db) // 2), 0
        while batch := self._drop(now, size):
            gone += batch
        give_back(db, 1 << 30)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return gone

    def _drop(self, now: int, size: int) -> int:
        with self._store.transaction():
            gone = drop_old(self._store.db, now, self._bounds.age)
            if used(self._store.db) > size:
                gone += drop_oldest(self._store.db, now)
        return gone


def pace(db: sqlite3.Connection, wall: int, elapsed: int) -> int:
    """The time that ages are counted by, `elapsed` milliseconds after it was asked last."""
    row = db.execute("SELECT value FROM state WHERE name=?", (_CLOCK,)).fetchone()
    now = wall if row is None else row[0] + min(max(wall - row[0], 0), 2 * elapsed)
    db.execute("INSERT OR REPLACE INTO state VALUES(?, ?)", (_CLOCK, now))
    return int(now)


def used(db: sqlite3.Connection, *, free: bool = False) -> int:
    """Bytes that events take; `free`: with those that nothing takes any more."""
    (pages,), (unused,), (size,) = (
        db.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages if free else pages - unused) * size)


def drop_old(db: sqlite3.Connection, now: int, age: int) -> int:
    """Remove a batch of what is too old, inside a transaction; returns how many."""
    gone = 0
    for keep, speed in SPEED.items():
        gone += _drop(db, keep, now - round(age / speed), BATCH)
    return gone


def drop_oldest(db: sqlite3.Connection, now: int) -> int:
    """Remove a batch of what has aged most, inside a transaction; returns how many."""
    aged = list[tuple[float, Keep]]()
    (newest,) = db.execute("SELECT max(at) FROM event").fetchone()
    now = max(now, newest or 0)  # events of a clock that ran ahead have an age, too
    for keep, speed in SPEED.items():
        row = db.execute("SELECT min(at) FROM event WHERE keep=?", (int(keep),)).fetchone()
        if row[0] is not None:
            aged.append(((now - row[0]) * speed, keep))
    if not aged:
        return 0
    _, keep = max(aged)
    # Small beside all there is, so that each batch is of what has aged most by then.
    return _drop(db, keep, 1 << 62, min(BATCH, max(_SMALL, used(db) // _SHARE)))


def give_back(db: sqlite3.Connection, pages: int = 4096) -> None:
    """Make the file smaller by pages that nothing uses, as many as there are up to `pages`."""
    db.executescript(f"PRAGMA incremental_vacuum({pages})")  # execute() frees one page


def _drop(db: sqlite3.Connection, keep: Keep, before: int, limit: int) -> int:
    return db.execute(
        "DELETE FROM event WHERE id IN"
        " (SELECT id FROM event INDEXED BY event_keep WHERE keep=? AND at < ? ORDER BY at LIMIT ?)",
        (int(keep), before, limit),
    ).rowcount
