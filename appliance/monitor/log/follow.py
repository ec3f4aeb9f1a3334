"""Follows the log files of a node's processes, also across rotation and restarts.

A file is known by its inode and the beginning of its content, since a rotation gives the inode of
the file it removed to the one it makes. How far each was read is handed out together with what
was read, and counts once it is said to be stored: so a crash in between costs nothing, and
doubles nothing. A file that a power cut has shortened is read anew: what comes of it is *again*
there, perhaps, and has to be compared with what is stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from heapq import merge
from pathlib import Path
from typing import BinaryIO

from appliance.monitor.log.entry import LINE_LIMIT, Entry, entries

_SAMPLE = 256
"""Bytes at the beginning of a file that tell it from others: more than a line with its time.

As many before the place where reading goes on tell that nothing was taken away from there.
"""
_CHUNK = 4 * LINE_LIMIT
"""Bytes of one process that are read in one go."""


@dataclass(frozen=True)
class Mark:
    """How far a file was read: up to `offset`.

    `head` and `tail` are digests of its first bytes and of those before `offset`. What comes
    before the place `again` may be stored already.
    """

    inode: int
    log: str
    offset: int
    head: bytes
    tail: bytes
    again: int = 0


@dataclass(frozen=True)
class Harvest:
    """What was read, in the order of its time as far as files allow; `again` may be stored already.

    `marks` replace those of before; `gone` are inodes of files that are no more. `missed`: logs
    of which something was rotated away before it was read. `more`: there is more to read.
    """

    entries: tuple[Entry, ...] = ()
    again: tuple[Entry, ...] = ()
    marks: tuple[Mark, ...] = ()
    gone: tuple[int, ...] = ()
    missed: tuple[str, ...] = ()
    more: bool = False


class Follower:
    """Reads what is new in `folder`/*.log; `marks` say what was read before."""

    def __init__(self, folder: Path, marks: Iterable[Mark] = ()) -> None:
        self._folder = folder
        self._marks = {mark.inode: mark for mark in marks}
        self._quiet: Mapping[str, tuple[int, int]] = {}
        """Inode and size of the files to which nothing was added since they were read whole."""
        self._quiet_then = self._quiet

    def read(self) -> Harvest:
        """What is new; the same again until `stored` is called."""
        groups, again, more = list[list[Entry]](), list[Entry](), False
        marks, gone, missed = list[Mark](), list[int](), list[str]()
        quiet = dict[str, tuple[int, int]]()
        for path in sorted(self._folder.glob("*.log")):
            now = _standing(path)
            if now is not None and self._quiet.get(path.name) == now:
                quiet[path.name] = now
                continue
            log = _Log(path, self._of(path.name))
            groups.append(log.read())
            again += log.again
            marks += log.marks
            gone += log.gone
            if log.missed:
                missed.append(path.stem)
            if log.more:
                more = True
            elif now is not None:
                quiet[path.name] = now
        self._quiet_then = quiet
        found = tuple(merge(*groups, key=lambda entry: entry.at))
        return Harvest(found, tuple(again), tuple(marks), tuple(gone), tuple(missed), more)

    def stored(self, harvest: Harvest) -> None:
        """What was read last is durable, with its marks."""
        for inode in harvest.gone:
            del self._marks[inode]
        self._marks |= {mark.inode: mark for mark in harvest.marks}
        self._quiet = self._quiet_then

    def spent(self) -> Iterator[Path]:
        """Rotated files that are read to their end: nothing is lost if they go."""
        for path in sorted(self._folder.glob("*.log.*")):
            try:
                figures = path.stat()
            except FileNotFoundError:
                continue
            mark = self._marks.get(figures.st_ino)
            if mark is not None and mark.offset == figures.st_size:
                yield path

    def _of(self, log: str) -> dict[int, Mark]:
        return {inode: mark for inode, mark in self._marks.items() if mark.log == log}


class _Log:
    """The files of one process, read once."""

    def __init__(self, path: Path, known: dict[int, Mark]) -> None:
        self._path = path
        self._known = known
        self.again = list[Entry]()
        self.marks = list[Mark]()
        self.gone = list[int]()
        self.missed = False
        self.more = False

    def read(self) -> list[Entry]:
        found = list[Entry]()
        files = self._opened()
        try:
            inodes = [os.fstat(file.fileno()).st_ino for file in files]
            self.gone = [inode for inode in self._known if inode not in inodes]
            # The oldest go first: if one that was being read is there, nothing after it is gone.
            self.missed = bool(self._known) and not any(map(self._mark, files, inodes))
            for file in reversed(files):
                again, new = self._read(file, current=file is files[0])
                (self.again if again else found).extend(new)
                if self.more:
                    break
        finally:
            for file in files:
                file.close()
        return found

    def _opened(self) -> list[BinaryIO]:
        """All files, the one that is written to first.

        Looked for in this order, since a rotation meanwhile moves a file on to where it will be
        looked for next: twice is noticed, not at all would not be.
        """
        files = dict[int, BinaryIO]()
        older = self._path.parent.glob(f"{self._path.name}.[0-9]*")
        for path in (self._path, *sorted(older, key=_number)):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            inode = os.fstat(file.fileno()).st_ino
            if inode in files:
                file.close()
            else:
                files[inode] = file
        return list(files.values())

    def _read(self, file: BinaryIO, *, current: bool) -> tuple[bool, Iterable[Entry]]:
        """The next of a file, and whether it may be stored already."""
        figures = os.fstat(file.fileno())
        inode, size = figures.st_ino, figures.st_size
        offset, again = self._place(file, inode)
        file.seek(offset)
        block = file.read(min(_CHUNK, size - offset))
        end = block.rfind(b"\n") + 1
        if offset + len(block) < size:
            self.more = True
            end = end or len(block)  # no line of ours is as long
        elif not current:
            end = len(block)  # nobody will write the rest of its last line
        self._note(file, inode, offset + end, again)
        if not end:
            return False, ()
        # A file's time is that of its last write.
        at = figures.st_mtime_ns // 1_000_000
        lines = block[:end].removesuffix(b"\n").split(b"\n")
        return offset < again, entries(lines, self._path.stem, at)

    def _place(self, file: BinaryIO, inode: int) -> tuple[int, int]:
        """Where to read on, and up to where it may be stored already."""
        mark = self._mark(file, inode)
        if mark is None:
            return 0, 0
        if _tail(file, mark.offset) != mark.tail:
            return 0, max(mark.offset, mark.again)
        return mark.offset, mark.again

    def _mark(self, file: BinaryIO, inode: int) -> Mark | None:
        """How far it was read, if it is the file that was read."""
        mark = self._known.get(inode)
        return mark if mark is not None and _head(file, mark.offset) == mark.head else None

    def _note(self, file: BinaryIO, inode: int, offset: int, again: int) -> None:
        again = again if again > offset else 0
        mark = Mark(inode, self._path.name, offset, _head(file, offset), _tail(file, offset), again)
        if mark != self._known.get(inode):
            self.marks.append(mark)


def _standing(path: Path) -> tuple[int, int] | None:
    try:
        figures = path.stat()
    except FileNotFoundError:  # between two files: the next look finds it
        return None
    return figures.st_ino, figures.st_size


def _head(file: BinaryIO, offset: int) -> bytes:
    return _digest(file, 0, min(offset, _SAMPLE))


def _tail(file: BinaryIO, offset: int) -> bytes:
    return _digest(file, max(0, offset - _SAMPLE), min(offset, _SAMPLE))


def _digest(file: BinaryIO, place: int, size: int) -> bytes:
    return blake2b(os.pread(file.fileno(), size, place), digest_size=16).digest()


def _number(path: Path) -> int:
    number = path.suffix[1:]
    return int(number) if number.isdecimal() else 0
