"""The folder that backups are written to: names, whole files only, the newest kept."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from appliance.backup.sealed import BadBackup, Reader, Sink

_NAME = re.compile(r"twinpost-(?P<node>[a-z0-9._-]+)-(?P<number>[0-9]{6})\.backup")
_SYNC_EVERY = 8 << 20
"""Bytes. Little waits in memory for a slow stick, where it would hold up the spool's own disk."""


class TargetFailed(Exception):
    """A backup cannot be written there; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in a folder, as its header tells; `problem` if it is none."""

    name: str
    size: int
    node: str = ""
    release: str = ""
    at: int = 0
    recovery_keys: tuple[str, ...] = ()
    problem: str = ""


class _Steady:
    """A file that is synced as it grows, and does not fill the page cache."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unsynced = 0
        self._size = 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(data)
        self._unsynced += len(data)
        if self._unsynced >= _SYNC_EVERY:
            self.sync()
        return len(data)

    def sync(self) -> None:
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, self._size, os.POSIX_FADV_DONTNEED)
        self._unsynced = 0


class Target:
    """The folder, which must be there: a stick that is not in is no place to write to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> list[BackupFile]:
        """What looks like a backup there, the newest of each node first; raises OSError."""
        found = []
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name) and path.is_file():
                found.append(look_at(path))
        return sorted(found, key=lambda one: (one.node, one.name), reverse=True)

    @contextmanager
    def new(self, node: str) -> Iterator[tuple[Sink, Path]]:
        """A file to write, and the path it gets once it is whole; raises TargetFailed.

        Crash windows: before the rename there is a name that ends in `.partial`, which the next
        backup of this node removes; after it the file is whole and durable. If the caller raises,
        nothing is left.
        """
        try:
            path = self._folder / self._next(node)
            part = self._folder / f".{path.name}.partial"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(part, flags, 0o600)
        except OSError as error:
            raise _failed(error, self._folder) from error
        try:
            file = _Steady(descriptor)
            yield file, path
            file.sync()
            os.rename(part, path)
            sync_directory(self._folder)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(part)
            if isinstance(error, OSError):
                raise _failed(error, self._folder) from error
            raise
        finally:
            os.close(descriptor)

    def _next(self, node: str) -> str:
        highest = 0
        for path in self._folder.iterdir():
            whole = path.name.removeprefix(".").removesuffix(".partial")
            matched = _NAME.fullmatch(whole)
            if matched is None or matched["node"] != node:
                continue
            if whole != path.name:
                path.unlink()  # of a backup that did not get to its end
            else:
                highest = max(highest, int(matched["number"]))
        return f"twinpost-{node}-{highest + 1:06}.backup"

    def keep(self, node: str, newest: int) -> list[str]:
        """Remove all but so many backups of a node; their names. By number: clocks may be wrong."""
        names = sorted(
            path.name
            for path in self._folder.iterdir()
            if (matched := _NAME.fullmatch(path.name)) and matched["node"] == node
        )
        gone = names[:-newest]
        for name in gone:
            (self._folder / name).unlink()
        return gone


def look_at(path: Path) -> BackupFile:
    """What a file says of itself; nothing is checked that needs a key."""
    size = 0
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = Reader(file).header
    except (BadBackup, OSError) as error:
        return BackupFile(name=path.name, size=size, problem=str(error))
    return BackupFile(
        name=path.name,
        size=size,
        node=header.node,
        release=header.release,
        at=header.at,
        recovery_keys=tuple(one.id for one in header.recipients),
    )


def sync_directory(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_HINTS = {
    errno.ENOSPC: "remove old backups there, or take a larger stick",
    errno.EDQUOT: "remove old backups there, or raise the quota",
    errno.EFBIG: "its file system takes no larger files: format it as ext4 or exFAT",
    errno.ENOENT: "put the stick in and mount it, or make the folder",
    errno.EROFS: "it is mounted read-only",
    errno.EACCES: "let the user that runs the node write there",
}


def _failed(error: OSError, folder: Path) -> TargetFailed:
    hint = _HINTS.get(error.errno or 0, "look at the target and its file system")
    return TargetFailed(f"{folder}: {error.strerror or error}", hint)
