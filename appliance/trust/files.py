"""Files with keys in them: for the owner only, replaced in one step, durable."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Make `content` that of `path`; raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        new.unlink()
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except BaseException:
        new.unlink()
        raise
    finally:
        os.close(file)
    new.replace(path)
    _sync(path.parent)


def remove(path: Path) -> None:
    """Remove it if it is there; raises OSError."""
    with suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)


def read(path: Path) -> bytes | None:
    """What is in it, None if it is not there; raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _sync(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
