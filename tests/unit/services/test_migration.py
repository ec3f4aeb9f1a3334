"""Copies of databases are made for another release, and what is in use is never touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from appliance.config import Layout
from appliance.config.node import PathSettings
from appliance.services.migration import CannotMigrate, digest, exposed, migrate
from appliance.spool import schema
from tests.unit.spool.node import Node

SECOND = schema.VERSION - 1


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "data", PathSettings())
    found.create()
    return found


def fill(layout: Layout) -> None:
    """Messages, one of them delivered into a mailbox."""
    db = schema.open_writer(str(layout.spool / "spool.db"))
    (layout.spool / "content").mkdir()
    node = Node(db, layout.spool / "content", alone=True)
    for _ in range(20):
        node.accept()
    node.deliver()
    db.close()


def age(layout: Layout) -> None:
    """As the release before would have left it."""
    with closing(apsw.Connection(str(layout.spool / "spool.db"))) as db:
        db.execute("DROP TABLE carried")
        db.pragma("user_version", SECOND)


def migrated(layout: Layout) -> list[str]:
    found = list[Path]()
    migrate(layout, found.append)
    return [path.name for path in found]


def test_what_this_release_can_use_is_not_copied(layout: Layout) -> None:
    fill(layout)
    assert migrated(layout) == []
    assert digest(layout, upcoming=True) == digest(layout, upcoming=False)


def test_the_copy_holds_what_the_spool_holds(layout: Layout) -> None:
    fill(layout)
    before = digest(layout, upcoming=False)
    age(layout)
    old = (layout.spool / "spool.db").read_bytes()
    assert migrated(layout) == ["spool.db"]
    assert digest(layout, upcoming=True) == before
    assert (layout.spool / "spool.db").read_bytes() == old
    with closing(apsw.Connection(str(layout.spool / "spool.db.next"))) as db:
        assert db.pragma("user_version") == schema.VERSION
    assert not (layout.spool / "spool.db.next-wal").exists()


def test_the_digest_tells_what_is_missing(layout: Layout) -> None:
    fill(layout)
    age(layout)
    migrated(layout)
    before = digest(layout, upcoming=True)
    for statement in (
        "DELETE FROM message WHERE key=(SELECT max(key) FROM message)",
        "DELETE FROM content WHERE key=(SELECT max(key) FROM content)",
    ):
        with closing(apsw.Connection(str(layout.spool / "spool.db.next"))) as db:
            db.execute(statement)
        assert digest(layout, upcoming=True) != before
        before = digest(layout, upcoming=True)


def test_what_the_other_node_may_not_have_is_counted_while_nothing_runs(layout: Layout) -> None:
    assert exposed(layout) == 0
    fill(layout)
    assert exposed(layout) == 20
    with closing(apsw.Connection(str(layout.spool / "spool.db"))) as db:
        db.execute("DROP TABLE message")
    with pytest.raises(CannotMigrate, match="message"):
        exposed(layout)


def test_what_was_in_the_log_of_a_node_that_was_killed_is_in_the_copy(layout: Layout) -> None:
    fill(layout)
    age(layout)
    path = layout.spool / "spool.db"
    db = apsw.Connection(str(path))
    db.pragma("wal_autocheckpoint", 0)
    db.execute("INSERT INTO meta(name, value) VALUES('late', 1)")
    copies = {one: one.read_bytes() for one in layout.spool.glob("spool.db*") if one.is_file()}
    db.close()
    for one, data in copies.items():
        one.write_bytes(data)
    migrated(layout)
    with closing(apsw.Connection(str(layout.spool / "spool.db.next"))) as copy:
        assert copy.execute("SELECT value FROM meta WHERE name='late'").get == 1


def test_a_spool_of_a_later_release_is_refused(layout: Layout) -> None:
    fill(layout)
    with closing(apsw.Connection(str(layout.spool / "spool.db"))) as db:
        db.pragma("user_version", schema.VERSION + 1)
    with pytest.raises(CannotMigrate, match="known is"):
        migrated(layout)


def test_without_room_nothing_is_copied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(layout)
    age(layout)
    monkeypatch.setattr("appliance.services.migration._ROOM", 1 << 60)
    with pytest.raises(CannotMigrate, match="no room for a copy"):
        migrated(layout)
    assert not (layout.spool / "spool.db.next").exists()


def test_databases_of_the_monitor_are_migrated_too(layout: Layout) -> None:
    with closing(sqlite3.connect(layout.monitor / "history.db")) as db:
        db.execute("CREATE TABLE something(x)")
        db.execute("INSERT INTO something VALUES(1)")
        db.commit()
    assert migrated(layout) == ["history.db"]
    with closing(sqlite3.connect(layout.monitor / "history.db.next")) as copy:
        assert copy.execute("SELECT x FROM something").fetchone() == (1,)
        assert copy.execute("SELECT count(*) FROM series").fetchone() == (0,)
    assert migrated(layout) == ["history.db"]  # what an earlier try has left is made anew


def test_a_damaged_database_of_the_monitor_is_left_to_its_owner(layout: Layout) -> None:
    (layout.monitor / "history.db").write_bytes(b"no database" * 1000)
    assert migrated(layout) == []
    assert not (layout.monitor / "history.db.next").exists()
