"""A file of the monitor's own: SQLite of the standard library, never the spool's.

What is kept in them helps people and holds no mail: so a commit need not wait for the disk, and a
file that cannot be read is put aside for whoever wants to look, and begun anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlite_utils
from sqlite_utils import Migrations

T = TypeVar("T")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class MonitorFile:
    """The database at `path`, for one thread at a time; opened when it is first used.

    `damaged` is told when it had to be begun anew.
    """

    def __init__(self, path: Path, migrations: Migrations, damaged: Callable[[str], None]) -> None:
        self._path = path
        self._migrations = migrations
        self._damaged = damaged
        self._connection: sqlite3.Connection | None = None

    def use(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """`call` in one transaction; raises sqlite3.Error when the disk is full or fails."""
        try:
            return self._use(call)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
                raise
            self._put_aside(str(error))
            return self._use(call)

    def close(self) -> None:
        """Close it; a later use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _use(self, call: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._opened()
        try:
            with connection:
                return call(connection)
        except sqlite3.Error:
            self.close()  # whatever state it is in
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA journal_size_limit = 4194304")
                self._migrations.apply(sqlite_utils.Database(connection))
            except BaseException:
                connection.close()
                raise
            self._path.chmod(0o600)
            self._connection = connection
        return self._connection

    def _put_aside(self, why: str) -> None:
        self.close()
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._path.replace(self._path.with_name(self._path.name + ".damaged"))
        self._damaged(why)
