"""The WAL is copied beside the commits, and starts anew: it cannot grow without end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.spool import checkpoint
from appliance.spool.checkpoint import Checkpointer

_PAGE = 4096
BESIDE, INLINE = 20, 80


@pytest.fixture
def checkpointer(
    db: apsw.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkpointer]:
    monkeypatch.setattr(checkpoint, "_BESIDE", BESIDE)
    monkeypatch.setattr(checkpoint, "_INLINE", INLINE)
    db.execute("CREATE TABLE filler(n INTEGER PRIMARY KEY, content BLOB)")
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    watched = Checkpointer(db, str(tmp_path / "spool.db"))
    yield watched
    watched.close()


def commit(db: apsw.Connection, n: int) -> None:
    """A transaction of a few pages."""
    db.execute("INSERT OR REPLACE INTO filler VALUES(?, randomblob(8000))", (n % 3,))


def wal(tmp_path: Path) -> int:
    """Pages that the WAL's file has room for."""
    return (tmp_path / "spool.db-wal").stat().st_size // _PAGE


def fill(db: apsw.Connection, checkpointer: Checkpointer) -> None:
    for n in range(BESIDE):
        if checkpointer.worthwhile:
            return
        commit(db, n)
    raise AssertionError("never worthwhile")


def test_little_is_left_alone(db: apsw.Connection, checkpointer: Checkpointer) -> None:
    commit(db, 0)
    assert not checkpointer.worthwhile


def test_after_a_copy_the_wal_starts_anew(
    db: apsw.Connection, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    fill(db, checkpointer)
    checkpointer.copy()
    assert not checkpointer.worthwhile
    before = wal(tmp_path)
    for n in range(2):
        commit(db, n)
    assert wal(tmp_path) == before, "written over from its beginning"
    assert not checkpointer.worthwhile
    fill(db, checkpointer)


def test_with_copies_the_wal_stays_short(
    db: apsw.Connection, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    for n in range(300):
        commit(db, n)
        if checkpointer.worthwhile:
            checkpointer.copy()
    assert wal(tmp_path) < BESIDE + 10


def test_without_copies_a_commit_makes_one(
    db: apsw.Connection, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    for n in range(300):
        commit(db, n)
    assert wal(tmp_path) < INLINE + 10


def test_a_reader_in_the_way_costs_no_commit(
    db: apsw.Connection, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    reader = apsw.Connection(str(tmp_path / "spool.db"), flags=apsw.SQLITE_OPEN_READONLY)
    commit(db, 0)
    reader.execute("BEGIN")
    seen = reader.execute("SELECT content FROM filler").get
    for n in range(INLINE):
        commit(db, n)
        if checkpointer.worthwhile:
            checkpointer.copy()
    assert wal(tmp_path) > INLINE, "it must be kept for the reader"
    assert reader.execute("SELECT content FROM filler").get == seen
    reader.execute("END")
    reader.close()
    commit(db, 0)
    checkpointer.copy()
    commit(db, 1)
    assert not checkpointer.worthwhile


def test_a_copy_while_another_is_being_made_costs_no_commit(
    db: apsw.Connection,
    checkpointer: Checkpointer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "_INLINE", 1)
    commit(db, 0)
    db.execute("BEGIN IMMEDIATE")
    commit(db, 1)
    refused = 0

    def copying(times: int) -> bool:
        """The other has the lock of checkpoints, and waits for the writer."""
        nonlocal refused
        checkpointer.copy()
        db.execute("COMMIT")
        refused += 1
        return True

    other = apsw.Connection(str(tmp_path / "spool.db"))
    other.pragma("user_version")  # SQLite opens the WAL at the first read
    other.set_busy_handler(copying)
    other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
    other.close()
    assert refused == 1
    assert db.execute("SELECT count(*) FROM filler").get == 2
