"""Large bodies: content that is a file, written while it arrives, durable before its record.

Files: `<queue id>.<n>.part` while it grows, `<queue id>` once it is durable. The order is: fsync
the file, rename, fsync the directory, then commit the record. A crash in between leaves a file
without a record, which the next start removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from itertools import count

from appliance.spool.files import Files, Handle

_PART = ".part"


class Body:
    """One body being written."""

    def __init__(self, files: Files, name: str, part: str) -> None:
        self._files = files
        self._name = name
        self._part = part
        self._handle: Handle | None = files.create(self._part)
        self._digest = sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append; raises OSError."""
        assert self._handle is not None
        self._files.write(self._handle, chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was written so far."""
        return self._digest.digest()

    def make_durable(self) -> None:
        """Blocks until the file and its name are on disk; raises OSError."""
        assert self._handle is not None
        self._files.sync(self._handle)
        self._files.close(self._handle)
        self._handle = None
        self._files.rename(self._part, self._name)
        self._files.sync_directory("")

    def discard(self) -> None:
        """Forget the body."""
        if self._handle is not None:
            self._files.close(self._handle)
            self._handle = None
            self._files.unlink(self._part)


class Bodies:
    """The bodies of one node."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._parts = count(1)

    def create(self, queue_id: str) -> Body:
        """Start a body; the same one may be under way already, from an older connection.

        Raises OSError, and ValueError for what is no queue id: it becomes a file's name.
        """
        if not (queue_id.isascii() and queue_id.isalnum()):
            raise ValueError(f"{queue_id!r} is no queue id")
        return Body(self._files, queue_id, f"{queue_id}.{next(self._parts)}{_PART}")

    def durable(self, queue_id: str) -> bool:
        """True if the whole body is on disk."""
        return self._files.exists(queue_id)

    def read(self, queue_id: str, offset: int, size: int) -> bytes:
        """Part of a durable body."""
        return self._files.read(queue_id, offset, size)

    def remove(self, queue_ids: Iterable[str]) -> None:
        """Remove the bodies of messages that are no more; what fails is left to `sweep`."""
        for queue_id in queue_ids:
            with suppress(OSError):
                self._files.unlink(queue_id)

    def sweep(self, known: Callable[[str], bool]) -> int:
        """Remove files that no record speaks of; returns how many. Run at start only."""
        removed = 0
        for name in self._files.list(""):
            if name.endswith(_PART) or not known(name):
                self._files.unlink(name)
                removed += 1
        return removed
