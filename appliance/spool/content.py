"""Accepted content, read by queue id from another process or thread than the writer's.

Read-only, statement by statement: no read transaction stays open, so the writer's WAL can be
checkpointed however slow a next hop is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from appliance.mail.queue_id import QueueId
from appliance.spool.names import Names
from appliance.spool.schema import open_reader

_BODY = "SELECT body FROM content WHERE key=?"


class ContentReader:
    """Reads content in the spool at `spool`; opened when it is first asked.

    For one thread at a time. Raises `apsw.Error` or `OSError` if the disk cannot be read.
    """

    def __init__(self, spool: Path) -> None:
        self._database = spool / "spool.db"
        self._files = spool / "content"
        self._db: apsw.Connection | None = None
        self._names: Names | None = None

    def read(self, queue_id: QueueId) -> bytes | None:
        """The whole content if it is inline, else None."""
        db, names = self._open()
        try:
            key = names.key(queue_id)
        except LookupError:
            return None
        body: bytes | None = db.execute(_BODY, (key,)).get
        return body

    def chunks(self, queue_id: str, size: int = 65536) -> Iterator[bytes]:
        """The content in blocks of at most `size` bytes.

        LookupError if there is none, at the latest when the first block is asked for.
        """
        db, names = self._open()
        key = names.key(queue_id)
        body: bytes | None = db.execute(_BODY, (key,)).get
        if body is not None:
            return (body[start : start + size] for start in range(0, len(body), size))
        # Named from the row, never from what was asked for: no path gets in here.
        return _blocks(self._files / names.queue_id(key), size)

    def close(self) -> None:
        """Close the database; a later read opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = self._names = None

    def _open(self) -> tuple[apsw.Connection, Names]:
        if self._db is None or self._names is None:
            self._db = open_reader(str(self._database))
            self._names = Names(self._db)
        return self._db, self._names


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise LookupError(f"no content of {path.name}") from None
    with open(descriptor, "rb", buffering=0) as file:
        while block := file.read(size):
            yield block
