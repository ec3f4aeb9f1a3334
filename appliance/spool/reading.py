"""The spool's database as other processes read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from appliance.mail.views import Unavailable
from appliance.spool.names import Names
from appliance.spool.schema import VERSION, open_reader


class Reading:
    """The spool in the folder `spool`, for one thread at a time; opened when first asked."""

    def __init__(self, spool: Path) -> None:
        self._path = spool / "spool.db"
        self._db: apsw.Connection | None = None
        self._names: Names | None = None

    @contextmanager
    def moment(self) -> Iterator[tuple[apsw.Connection, Names]]:
        """A read transaction: everything in it is of one moment; raises Unavailable."""
        try:
            db, names = self._open()
            db.execute("BEGIN")
            try:
                yield db, names
            finally:
                db.execute("END")
        except apsw.Error as error:
            self.close()
            raise Unavailable(f"the spool cannot be read: {error}") from error

    def _open(self) -> tuple[apsw.Connection, Names]:
        if self._db is None or self._names is None:
            db = open_reader(str(self._path))
            version = db.pragma("user_version")
            if version != VERSION:
                db.close()
                raise Unavailable(f"the spool has schema {version}, this release reads {VERSION}")
            self._db, self._names = db, Names(db)
        return self._db, self._names

    def close(self) -> None:
        """Close the database; a later call opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = self._names = None
