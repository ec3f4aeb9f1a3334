"""Databases change places: each step is one rename, and all of it can be done again.

    X            in use                    X.next      made for the release to come
    X.previous   of the release before     X.failed    of a release that was given up

A write-ahead log belongs to its database: it goes where that goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from bundle import files

Step = Callable[[str], None]
"""Told before each change on the disk what comes now: a test's power goes there."""


def forth(paths: Iterable[Path], step: Step) -> None:
    """`X.next` becomes X, and X `X.previous`. Without `X.next` it has been done."""
    for path in paths:
        if beside(path, "next").exists():
            _take_place(path, "next", "previous", step)


def back(paths: Iterable[Path], step: Step) -> None:
    """`X.previous` becomes X, and X `X.failed`. Without `X.previous` it has been done."""
    for path in paths:
        if beside(path, "previous").exists():
            _take_place(path, "previous", "failed", step)


def offer(paths: Iterable[Path], step: Step) -> None:
    """What was in use before is what comes next."""
    _rename_all(paths, "previous", "next", step)


def withdraw(paths: Iterable[Path], step: Step) -> None:
    """`offer` undone."""
    _rename_all(paths, "next", "previous", step)


def forget(paths: Iterable[Path], *kinds: str) -> None:
    """Remove copies of these kinds."""
    for path in paths:
        for kind in kinds:
            _remove(beside(path, kind))


def beside(path: Path, kind: str) -> Path:
    """The other one of its kind."""
    return path.with_name(f"{path.name}.{kind}")


def _take_place(path: Path, comes: str, goes: str, step: Step) -> None:
    if path.exists():
        _remove(beside(path, goes))
        _rename(path, beside(path, goes), step)
    _rename(beside(path, comes), path, step)


def _rename_all(paths: Iterable[Path], old: str, new: str, step: Step) -> None:
    for path in paths:
        if beside(path, old).exists():
            _rename(beside(path, old), beside(path, new), step)


def _rename(source: Path, target: Path, step: Step) -> None:
    log = _log(source)
    if log.exists():
        step(f"rename {log.name}")
        log.replace(_log(target))
    step(f"rename {source.name}")
    source.replace(target)
    _index(source).unlink(missing_ok=True)
    files.sync(target.parent)


def _remove(path: Path) -> None:
    for one in (path, _log(path), _index(path)):
        one.unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _index(path: Path) -> Path:
    return path.with_name(path.name + "-shm")
