"""Large bodies as files: the few file operations the spool needs, so that a test can fail each."""

from __future__ import annotations

import os
from typing import NewType, Protocol

Handle = NewType("Handle", int)


class Files(Protocol):
    """Files under one root, named by relative paths ("" is the root); any call may raise OSError.

    A new file outlives a power cut when `sync` (its bytes) and `sync_directory` (its name) have
    returned, a rename or unlink when `sync_directory` has. After a failed `sync` the bytes may be
    lost though a second `sync` succeeds: give the file up.
    """

    def create(self, path: str) -> Handle:
        """Open a new file for appending; raises FileExistsError."""

    def write(self, handle: Handle, content: bytes) -> None:
        """Append all of `content`; if it raises, part of it may have been written."""

    def sync(self, handle: Handle) -> None: ...
    def close(self, handle: Handle) -> None: ...
    def sync_directory(self, path: str) -> None: ...
    def rename(self, source: str, target: str) -> None:
        """Move a file, replacing `target` in one step."""

    def unlink(self, path: str) -> None: ...
    def read(self, path: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end of the file."""

    def size(self, path: str) -> int: ...
    def exists(self, path: str) -> bool: ...
    def list(self, directory: str) -> list[str]:
        """Names in a directory, sorted."""


class PosixFiles:
    """`Files` in an existing directory of the operating system."""

    def __init__(self, root: str) -> None:
        self._root = root

    def create(self, path: str) -> Handle:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return Handle(os.open(self._path(path), flags, 0o600))

    def write(self, handle: Handle, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]

    def sync(self, handle: Handle) -> None:
        os.fdatasync(handle)

    def close(self, handle: Handle) -> None:
        os.close(handle)

    def sync_directory(self, path: str) -> None:
        directory = os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def rename(self, source: str, target: str) -> None:
        os.replace(self._path(source), self._path(target))

    def unlink(self, path: str) -> None:
        os.unlink(self._path(path))

    def read(self, path: str, offset: int, size: int) -> bytes:
        with open(self._path(path), "rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)

    def size(self, path: str) -> int:
        return os.stat(self._path(path)).st_size

    def exists(self, path: str) -> bool:
        return os.path.lexists(self._path(path))

    def list(self, directory: str) -> list[str]:
        return sorted(os.listdir(self._path(directory)))

    def _path(self, path: str) -> str:
        return os.path.join(self._root, path)
