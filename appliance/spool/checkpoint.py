"""Checkpoints: moving the WAL into the database beside the commits, not in their way."""

from __future__ import annotations

from contextlib import suppress

import apsw

_BESIDE = 1000
_INLINE = 8000
"""Pages in the WAL: from the first on copied in the background; at the second the commit waits
for the rest, so that the WAL starts anew and cannot grow without end."""


class Checkpointer:
    """Watches the WAL of the writer's connection.

    The writer and `copy` may both want to copy at once: the second is refused as busy, and has
    nothing to do that the first does not.
    """

    def __init__(self, writer: apsw.Connection, path: str) -> None:
        self._path = path
        self._pages = 0
        self._copied = 0
        self._connection: apsw.Connection | None = None
        writer.set_wal_hook(self._committed)

    def _committed(self, writer: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._pages:
            self._copied = 0
        self._pages = pages
        if pages >= _INLINE:
            with suppress(apsw.BusyError):
                writer.wal_checkpoint(name, apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    @property
    def worthwhile(self) -> bool:
        """True if `copy` has enough to do."""
        return self._pages - self._copied >= _BESIDE

    def copy(self) -> None:
        """Copy what is committed into the database; blocks, runs in a thread of its own."""
        if self._connection is None:
            self._connection = apsw.Connection(self._path)
            # SQLite opens the WAL at the first read; before, a checkpoint does nothing.
            self._connection.pragma("user_version")
        with suppress(apsw.BusyError):
            _, self._copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        """Close the connection; the thread has ended."""
        if self._connection is not None:
            self._connection.close()
