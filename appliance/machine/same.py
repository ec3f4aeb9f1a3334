"""Whether what was copied reads back as it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

_AT_ONCE = 1 << 20


class Different(Exception):
    """A file is not what was copied."""


def compare(
    source: Path, copy: Path, but: Collection[str], tell: Callable[[int, int], None]
) -> int:
    """Read every file of `copy` from its disk; returns how many. Raises Different, OSError.

    Its file system was synced before: what is not written yet would be read from memory.
    `but`: names relative to `source` that may differ, with all below them. `tell` hears of bytes
    done and to do.
    """
    names = list(_names(source, "", frozenset(but)))
    total = sum(size for _, size in names)
    done = 0
    for name, size in names:
        _same(source / name, copy / name, name)
        done += size
        tell(done, total)
    return len(names)


def _names(source: Path, below: str, but: frozenset[str]) -> Iterator[tuple[str, int]]:
    with os.scandir(source / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if name in but:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _names(source, name, but)
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            yield name, entry.stat(follow_symlinks=False).st_size


def _same(source: Path, copy: Path, name: str) -> None:
    try:
        was, now = source.lstat(), copy.lstat()
    except FileNotFoundError:
        raise Different(f"{name} is not there") from None
    kept = (was.st_mode, was.st_uid, was.st_gid)
    if kept != (now.st_mode, now.st_uid, now.st_gid):
        raise Different(f"{name} has other rights")
    if stat.S_ISLNK(was.st_mode):
        if os.readlink(source) != os.readlink(copy):
            raise Different(f"{name} leads elsewhere")
        return
    if was.st_size != now.st_size or not _same_bytes(source, copy):
        raise Different(f"{name} has other contents")


def _same_bytes(source: Path, copy: Path) -> bool:
    with source.open("rb", buffering=0) as was, copy.open("rb", buffering=0) as now:
        # What is in memory says nothing of the disk.
        os.posix_fadvise(now.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while True:
            block = was.read(_AT_ONCE)
            if block != now.read(_AT_ONCE):
                return False
            if not block:
                return True
