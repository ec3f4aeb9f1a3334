"""The databases of a node for this release: copies are made and migrated, never what is in use.

An update runs it while the node does not (see bundle/update.py), by the release that is to come. A
copy `X.next` lies beside its database X, so that it takes its place by a rename.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
from sqlite_utils import Database, Migrations

from appliance.config import Layout
from appliance.jobs import memory
from appliance.monitor import history
from appliance.monitor.alerts import store as alerts
from appliance.monitor.log import schema as events
from appliance.spool import dump, schema
from appliance.spool.store import Store

_UPCOMING = ".next"
_MONITOR: Sequence[tuple[str, Migrations]] = (
    ("history.db", history.migrations),
    ("events.db", events.migrations),
    ("alerts.db", alerts.migrations),
    ("jobs.db", memory.migrations),
)
_FICLONE = 0x40049409  # linux/fs.h
_ROOM = 256 << 20
"""Bytes that stay free beside the copies."""


class CannotMigrate(Exception):
    """Nothing was changed. `hint`: what an operator can do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def migrate(layout: Layout, copying: Callable[[Path], None]) -> None:
    """Make the copies that are needed; `copying` is told of which database. Raises CannotMigrate.

    And OSError.
    """
    spool = layout.spool / "spool.db"
    try:
        if spool.exists():
            _migrate_spool(spool, copying)
        for name, migrations in _MONITOR:
            path = layout.monitor / name
            if path.exists():
                _migrate_monitor(path, migrations, copying)
    except schema.SpoolVersion as error:
        raise CannotMigrate(str(error), "this release is older than the data") from None
    except apsw.Error as error:
        raise CannotMigrate(f"{spool}: {error}", "look at the disk: `twinpost job run`") from None


def digest(layout: Layout, *, upcoming: bool) -> tuple[int, str]:
    """The digest of the spool, or of its copy if there is one; and the digest's format."""
    path = layout.spool / "spool.db"
    copy = path.with_name(path.name + _UPCOMING)
    if upcoming and copy.exists():
        path = copy
    if not path.exists():
        return dump.FORMAT, ""
    with _store(path) as store:
        return dump.FORMAT, dump.digest_of(store)


def exposed(layout: Layout) -> int:
    """Messages of which the other node has not said that it holds them; raises CannotMigrate."""
    path = layout.spool / "spool.db"
    if not path.exists():
        return 0
    with _store(path) as store:
        return store.exposed()


@contextmanager
def _store(path: Path) -> Iterator[Store]:
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            yield Store(connection, b"", b"", 0)
    except apsw.Error as error:
        raise CannotMigrate(
            f"{path}: {error}", "the spool is damaged: see `twinpost pair`"
        ) from None


def _migrate_spool(path: Path, copying: Callable[[Path], None]) -> None:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as source:
        version = source.pragma("user_version")
        if version == schema.VERSION:
            return
        if version > schema.VERSION:
            raise schema.SpoolVersion(f"{path} has schema {version}, known is {schema.VERSION}")
        source.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        before = _counts(source)
        copying(path)
        copy = _room_for(path)
        if not _cloned(path, copy):
            with (
                closing(apsw.Connection(str(copy))) as target,
                target.backup("main", source, "main") as backup,
            ):
                backup.step(-1)
    with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)) as target:
        target.pragma("synchronous", "FULL")
        schema.migrate(target, str(copy))
        _check(str(target.pragma("quick_check")), path)
        after = _counts(target)
        target.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    lost = [name for name, count in before.items() if after.get(name, count) < count]
    if lost:
        raise CannotMigrate(f"the copy of {path} has less in {', '.join(lost)}", "tell who made it")
    _finish(path, copy)


def _counts(db: apsw.Connection) -> dict[str, int]:
    """How many rows each table has that messages depend on."""
    found = {}
    for table in ("message", "content", "mailbox", "register", "site", "incarnation"):
        if db.execute("SELECT 1 FROM sqlite_master WHERE name=?", (table,)).get is not None:
            found[table] = int(db.execute(f"SELECT count(*) FROM {table}").get)
    return found


def _migrate_monitor(path: Path, migrations: Migrations, copying: Callable[[Path], None]) -> None:
    try:
        with closing(sqlite3.connect(path)) as source:
            if not migrations.pending(Database(source, execute_plugins=False)):
                return
            copying(path)
            copy = _room_for(path)
            with closing(sqlite3.connect(copy, isolation_level=None)) as target:
                source.backup(target)
                target.execute("PRAGMA synchronous=FULL")
                migrations.apply(Database(target, execute_plugins=False))
                _check(target.execute("PRAGMA quick_check").fetchone()[0], path)
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        # Nothing that mail needs: it is put aside and begun anew when it is used.
        path.with_name(path.name + _UPCOMING).unlink(missing_ok=True)
        return
    _finish(path, copy)


def _check(said: str, path: Path) -> None:
    if said != "ok":
        raise CannotMigrate(f"the copy of {path} is not sound: {said}", "look at the disk")


def _room_for(path: Path) -> Path:
    """Where the copy goes, with nothing of an earlier try there."""
    copy = path.with_name(path.name + _UPCOMING)
    for suffix in ("", "-wal", "-shm", "-journal"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    figures, size = os.statvfs(path.parent), path.stat().st_size
    free = figures.f_bavail * figures.f_frsize
    if free < size + _ROOM:
        raise CannotMigrate(
            f"no room for a copy of {path}: {size >> 20} MiB and {_ROOM >> 20} to spare,"
            f" free are {free >> 20}",
            "free some space on that disk, then update again",
        )
    return copy


def _cloned(path: Path, copy: Path) -> bool:
    """A copy that shares its blocks, where the file system can do that."""
    with path.open("rb") as source, copy.open("xb") as target:
        try:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        except OSError:
            pass
        else:
            return True
    copy.unlink()
    return False


def _finish(path: Path, copy: Path) -> None:
    copy.chmod(path.stat().st_mode & 0o777)
    descriptor = os.open(copy, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
