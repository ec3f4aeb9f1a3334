"""Files that are there after a power cut, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write(path: Path, blocks: Iterable[bytes], mode: int = 0o644) -> None:
    """A new file, synced; its folder is not. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as target:
        for block in blocks:
            target.write(block)
        target.flush()
        os.fchmod(target.fileno(), mode)  # whatever the umask is
        os.fsync(target.fileno())


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """`content` in the place of what is at `path`: the one or the other, at any moment."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    write(draft, [content], mode)
    draft.replace(path)
    sync(path.parent)


def point(link: Path, target: str) -> None:
    """Make the symbolic link point to `target`, in one step."""
    draft = link.with_name(link.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    draft.symlink_to(target)
    draft.replace(link)
    sync(link.parent)


def sync(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
