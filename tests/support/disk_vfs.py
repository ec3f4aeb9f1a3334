# ruff: noqa: N802 -- the method names are SQLite's
"""SQLite on simulated disks.

A database is opened as `apsw.Connection("/<disk name>/spool.db", vfs=vfs.name)`. Its bytes, its
WAL and its journals are on the disk; locks and the WAL index's shared memory, which no power cut
keeps, are left to SQLite's own `unix` VFS on an empty shadow file, so that several connections, in
either locking mode, work as they do in production. Directories are synced when `unix` syncs them:
with the first sync of a journal or WAL it created, and at a deletion that asks for it.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import suppress
from errno import ENOSPC
from itertools import count
from posixpath import dirname
from random import Random
from typing import cast

import apsw

from tests.support.disk import Disk, Mount, OpenFile
from tests.support.disk_faults import PowerCut

_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
_SHADOW_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_MAIN_DB
_CHARACTERISTICS = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE | apsw.SQLITE_IOCAP_SUBPAGE_READ
_ABOUT_BYTES = {
    apsw.SQLITE_FCNTL_CHUNK_SIZE,
    apsw.SQLITE_FCNTL_SIZE_HINT,
    apsw.SQLITE_FCNTL_MMAP_SIZE,
}
"""File controls that would allocate or map the shadow file, which holds none of the bytes."""


def abandon(connection: apsw.Connection) -> None:
    """Close a connection whose process died: whatever closing would still write is refused."""
    try:
        connection.close()
    except (PowerCut, apsw.Error):
        # The expected end. SQLite has released the connection in spite of it.
        return


class DiskVFS(apsw.VFS):
    """Registered from construction to `close`; serves the disks attached to it, by name."""

    def __init__(self, name: str = "disk") -> None:
        self.name = name
        self._disks: dict[str, Disk] = {}
        self._boots: dict[str, tuple[Mount, int]] = {}
        self._numbers = count(1)
        self._directory = tempfile.TemporaryDirectory(prefix="disk-vfs-")
        self._shadows: Counter[str] = Counter()
        self._scratch = Disk("scratch", Random(0))
        super().__init__(name, base="unix")

    def __enter__(self) -> DiskVFS:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unregister; connections must have been closed or abandoned."""
        self.unregister()
        self._directory.cleanup()

    def attach(self, disk: Disk) -> None:
        """Serve `disk` under its name, instead of another one of the same name."""
        self._disks[disk.name] = disk

    def detach(self, disk: Disk) -> None:
        """Serve `disk` no longer; its connections must have been closed or abandoned."""
        del self._disks[disk.name]
        self._boots.pop(disk.name, None)

    # What SQLite calls.

    def xFullPathname(self, name: str) -> str:
        """Number the boot, so that no connection of an earlier one can touch this one's files."""
        _, disk, path = name.split("/", 2)
        if "#" in disk:
            return name
        mount = self._disks[disk].mount
        if disk not in self._boots or self._boots[disk][0] is not mount:
            self._boots[disk] = (mount, next(self._numbers))
        return f"/{disk}#{self._boots[disk][1]}/{path}"

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        wanted = flags[0]
        flags[1] = wanted
        full = name.filename() if isinstance(name, apsw.URIFilename) else name
        if full is None:
            scratch = self._scratch.mount
            return cast(apsw.VFSFile, _File(scratch.open_unnamed(), scratch, None))
        mount, path = self._find(full)
        try:
            file = mount.open(
                path,
                create=bool(wanted & apsw.SQLITE_OPEN_CREATE),
                exclusive=bool(wanted & apsw.SQLITE_OPEN_EXCLUSIVE),
            )
        except OSError as error:
            raise apsw.CantOpenError(str(error)) from error
        if wanted & apsw.SQLITE_OPEN_MAIN_DB:
            return _DatabaseFile(file, mount, self._shadow(full), self._shadows)
        new_journal = wanted & apsw.SQLITE_OPEN_CREATE and wanted & _JOURNALS
        return cast(apsw.VFSFile, _File(file, mount, dirname(path) if new_journal else None))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        mount, path = self._find(filename)
        try:
            mount.unlink(path)
        except FileNotFoundError as error:
            raise _Failure(apsw.SQLITE_IOERR_DELETE_NOENT, error) from error
        except OSError as error:
            raise _Failure(apsw.SQLITE_IOERR_DELETE, error) from error
        if not syncdir:
            return
        try:
            mount.sync_directory(dirname(path))
        except OSError as error:
            raise _Failure(apsw.SQLITE_IOERR_DIR_FSYNC, error) from error

    def xAccess(self, pathname: str, flags: int) -> bool:
        mount, path = self._find(pathname)
        # To `unix`, an empty file is not there.
        return mount.exists(path) and mount.open(path).size() > 0

    def _find(self, full: str) -> tuple[Mount, str]:
        _, label, path = full.split("/", 2)
        name, number = label.split("#")
        mount, present = self._boots[name]
        if int(number) != present:
            raise PowerCut("open", path)
        return mount, path

    def _shadow(self, full: str) -> str:
        return os.path.join(self._directory.name, full.strip("/").replace("/", "~"))


class _File:
    """A journal, WAL or temporary file: no locks. `directory`: to sync with the first sync."""

    def __init__(self, file: OpenFile, mount: Mount, directory: str | None) -> None:
        self._file = file
        self._mount = mount
        self._directory = directory

    def xRead(self, amount: int, offset: int) -> bytes:
        try:
            return cast(bytes, self._file.read(offset, amount))
        except OSError as error:
            raise _Failure(apsw.SQLITE_IOERR_READ, error) from error

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self._file.write(offset, data)
        except OSError as error:
            raise _write_error(error) from error

    def xTruncate(self, newsize: int) -> None:
        try:
            self._file.truncate(newsize)
        except OSError as error:
            raise _Failure(apsw.SQLITE_IOERR_TRUNCATE, error) from error

    def xSync(self, flags: int) -> None:
        try:
            self._file.sync()
        except OSError as error:
            raise _Failure(apsw.SQLITE_IOERR_FSYNC, error) from error
        if self._directory is not None:
            # `unix` tries this once, and does not tell when it fails.
            directory, self._directory = self._directory, None
            with suppress(OSError):
                self._mount.sync_directory(directory)

    def xFileSize(self) -> int:
        return self._file.size()

    def xClose(self) -> None:
        return

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xDeviceCharacteristics(self) -> int:
        return _CHARACTERISTICS


class _DatabaseFile(_File, apsw.VFSFile):
    """The main database, with the locks and the shared memory of its shadow."""

    def __init__(self, file: OpenFile, mount: Mount, shadow: str, users: Counter[str]) -> None:
        _File.__init__(self, file, mount, None)
        self._shadow = shadow
        self._users = users
        apsw.VFSFile.__init__(self, "unix", shadow, [_SHADOW_FLAGS, 0])
        users[shadow] += 1

    def xFileControl(self, op: int, ptr: int) -> bool:
        return op not in _ABOUT_BYTES and apsw.VFSFile.xFileControl(self, op, ptr)

    def xClose(self) -> None:
        apsw.VFSFile.xClose(self)
        self._users[self._shadow] -= 1
        if not self._users[self._shadow]:
            del self._users[self._shadow]
            os.unlink(self._shadow)
            # SQLite removes it itself, but not after a power cut.
            with suppress(FileNotFoundError):
                os.unlink(f"{self._shadow}-shm")


class _Failure(apsw.IOError):
    """The exception that apsw turns into an extended result code."""

    def __init__(self, code: int, error: OSError) -> None:
        super().__init__(str(error))
        self.extendedresult = code


def _write_error(error: OSError) -> apsw.Error:
    if error.errno == ENOSPC:
        return apsw.FullError(str(error))
    return _Failure(apsw.SQLITE_IOERR_WRITE, error)
