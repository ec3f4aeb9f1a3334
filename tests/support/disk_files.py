"""`appliance.spool.files.Files` on a simulated disk."""

from __future__ import annotations

import os
from errno import EBADF

from appliance.spool.files import Handle
from tests.support.disk import Disk, OpenFile


class DiskFiles:
    """The files below `root` as the programs of the disk's present boot use them."""

    def __init__(self, disk: Disk, root: str = "") -> None:
        self._mount = disk.mount
        self._root = root
        self._open: dict[Handle, OpenFile] = {}
        self._last = 2

    def create(self, path: str) -> Handle:
        file = self._mount.open(self._path(path), create=True, exclusive=True)
        self._last += 1
        handle = Handle(self._last)
        self._open[handle] = file
        return handle

    def write(self, handle: Handle, content: bytes) -> None:
        file = self._file(handle)
        file.write(file.size(), bytes(content))

    def sync(self, handle: Handle) -> None:
        self._file(handle).sync()

    def close(self, handle: Handle) -> None:
        self._file(handle)
        del self._open[handle]

    def sync_directory(self, path: str) -> None:
        self._mount.sync_directory(self._path(path))

    def rename(self, source: str, target: str) -> None:
        self._mount.rename(self._path(source), self._path(target))

    def unlink(self, path: str) -> None:
        self._mount.unlink(self._path(path))

    def read(self, path: str, offset: int, size: int) -> bytes:
        return bytes(self._mount.open(self._path(path)).read(offset, size))

    def size(self, path: str) -> int:
        return self._mount.open(self._path(path)).size()

    def exists(self, path: str) -> bool:
        return self._mount.exists(self._path(path))

    def list(self, directory: str) -> list[str]:
        return self._mount.list(self._path(directory))

    def _file(self, handle: Handle) -> OpenFile:
        try:
            return self._open[handle]
        except KeyError:
            raise OSError(EBADF, os.strerror(EBADF)) from None

    def _path(self, path: str) -> str:
        return "/".join(part for part in (self._root, path) if part)
