"""The index: partitions in order of arrival, changed by one thread, read by others.

`units` is replaced as a whole at each change, so a search sees one state from beginning to end.
Crash windows of a commit: before the catalogue's, everything new is ignored and removed at the
next start; after it, everything old is.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import apsw
import numpy as np

from appliance.search.catalogue import (
    Catalogue,
    Document,
    Mark,
    OtherVersion,
    PartitionRow,
    open_catalogue,
)
from appliance.search.merge import merge_segments
from appliance.search.partition import Folder, Step, sync_folder
from appliance.search.pool import Pool, build
from appliance.search.segment import Damaged, Segment
from appliance.search.unit import Unit, described, merged_unit, units_of

CATALOGUE = "catalogue.db"
_QUARANTINE = "quarantine"
_KEPT_DAMAGED = 3
"""Damaged partitions that are kept for somebody to look at."""
_MANY = 8
"""Small segments that an open partition may have before they are merged."""
_GONE_SHARE = 0.05


class Task(NamedTuple):
    """Adjacent units of a partition to be merged."""

    partition: int
    units: tuple[Unit, ...]


@dataclass
class _Partition:
    row: PartitionRow
    folder: Folder
    units: list[Unit]
    damaged: str = ""


Fetch = Callable[[str], tuple[Document, dict[str, list[str]]] | None]
"""A message by queue id: what is noted and the words of its fields; None if it is gone."""


def _no_step(name: str) -> None:
    """Nobody watches."""


class Index:
    """The index in `folder`; one thread changes it. Raises OSError and apsw.Error.

    `room`: documents of a partition.
    """

    def __init__(self, folder: Path, room: int = 10_000, step: Step = _no_step) -> None:
        self.folder = folder
        self.room = room
        self.units: tuple[Unit, ...] = ()
        """The newest first."""
        self.mark = Mark()
        self.era = 0
        """Grows whenever the index begins anew."""
        self._step = step
        self._partitions: list[_Partition] = []
        self._catalogue: Catalogue | None = None
        self._next = 1
        self._lock = threading.Lock()

    # Reading.

    @property
    def damaged(self) -> tuple[int, ...]:
        """Partitions that cannot be searched until they are rebuilt."""
        return tuple([one.row.id for one in self._partitions if one.damaged])

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self._partitions)

    @property
    def documents(self) -> int:
        """Messages that can be found."""
        return sum(unit.documents - int(unit.gone.sum()) for unit in self.units)

    @property
    def size(self) -> int:
        """Bytes of all segments and the catalogue."""
        files = sum(unit.segment.size for unit in self.units)
        catalogue = self.folder / CATALOGUE
        return files + (catalogue.stat().st_size if catalogue.exists() else 0)

    @property
    def catalogue(self) -> Catalogue:
        """For the thread that changes the index."""
        assert self._catalogue is not None
        return self._catalogue

    def report(self, unit: Unit, why: str) -> None:
        """A search found a unit damaged: leave it out until its partition is rebuilt."""
        with self._lock:
            for one in self._partitions:
                if one.row.id == unit.partition and unit in one.units:
                    one.damaged, one.units = why, []
            self._publish()

    # Opening.

    def open(self) -> None:
        """Open everything that opens; the rest is `damaged`. An index of another release goes."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._catalogue = Catalogue(open_catalogue(self.folder / CATALOGUE))
        except (OtherVersion, apsw.NotADBError, apsw.CorruptError):
            self.wipe()
            return
        self.mark = self.catalogue.mark()
        self._next = self.catalogue.next_position()
        rows = self.catalogue.partitions()
        ends = [*(row.first for row in rows[1:]), None][: len(rows)]
        self._partitions = [self._opened(row, end) for row, end in zip(rows, ends, strict=True)]
        self._remove_strays()
        self._publish()

    def _opened(self, row: PartitionRow, end: int | None) -> _Partition:
        folder = self._folder(row.id)
        try:
            segments = folder.open(row)
            folder.clean(row)
            columns = self.catalogue.columns(row.first, end)
            units = units_of(row.id, segments, columns)
        except (Damaged, FileNotFoundError, NotADirectoryError) as error:
            return _Partition(row, folder, [], str(error))
        return _Partition(row, folder, units)

    def _folder(self, partition: int) -> Folder:
        return Folder(self.folder / f"p{partition:06d}")

    def _remove_strays(self) -> None:
        """Folders of partitions that were never committed."""
        known = {one.folder.path.name for one in self._partitions}
        for path in self.folder.glob("p[0-9]*"):
            if path.name not in known:
                shutil.rmtree(path)

    def close(self) -> None:
        """Close the catalogue; mapped files go with the last search that uses them."""
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None
        self.units, self._partitions = (), []

    def wipe(self) -> None:
        """Throw everything away and begin an empty index."""
        self.close()
        # The catalogue first: what it does not name is nothing.
        for name in (f"{CATALOGUE}-wal", f"{CATALOGUE}-shm", CATALOGUE):
            (self.folder / name).unlink(missing_ok=True)
        self._catalogue = Catalogue(open_catalogue(self.folder / CATALOGUE))
        self.mark, self._next = Mark(), 1
        self.era += 1
        self._remove_strays()
        sync_folder(self.folder)

    # Changing.

    def room_left(self) -> int:
        """Documents that the newest partition still takes; `room` if the next one begins."""
        if not self._partitions or self._partitions[-1].damaged:
            return self.room
        left = self.room - sum(file.documents for file in self._partitions[-1].row.files)
        return left if left > 0 else self.room

    def commit(self, pool: Pool, documents: Sequence[Document], mark: Mark) -> None:
        """Add documents, at most `room_left`, and move the mark; durable when it returns."""
        last = self._partitions[-1] if self._partitions else None
        if last is None or last.damaged or self.room_left() == self.room:
            id_ = last.row.id + 1 if last else 1
            last = _Partition(PartitionRow(id_, self._next), self._folder(id_), [])
            last.folder.create()
        built = build(pool)
        kept, end = described(last.units), len(last.row.files)
        row, files = last.folder.write(last.row, kept, [built], self._step, slice(end, end))
        first = self._next
        self._step("commit catalogue")
        with self.catalogue.changing():
            self.catalogue.set_partition(row)
            self.catalogue.add(first, documents)
            self.catalogue.set_mark(mark)
        self._step("clean")
        last.folder.clean(row)
        segment = Segment(last.folder.path, files[0], built.segment)
        columns = [
            (position, one.received, one.state, 0) for position, one in enumerate(documents, first)
        ]
        with self._lock:
            if last not in self._partitions:
                self._partitions.append(last)
            last.row = row
            last.units += units_of(row.id, [segment], columns)
            self._next = first + len(documents)
            self.mark = mark
            self._publish()

    def note(self, mark: Mark, states: Iterable[tuple[str, int]], gone: Iterable[str]) -> None:
        """Note where messages stand and which are gone; not one of them need be known."""
        catalogue = self.catalogue
        with catalogue.changing():
            moved = [(catalogue.set_state(id_, state), state) for id_, state in states]
            lost = [catalogue.set_gone(id_) for id_ in gone]
            catalogue.set_mark(mark)
        self.mark = mark
        for position, state in moved:
            if position is not None and (found := self._find(position)) is not None:
                found[0].state[found[1]] = state
        for position in lost:
            if position is not None and (found := self._find(position)) is not None:
                found[0].gone[found[1]] = True

    def _find(self, position: int) -> tuple[Unit, int] | None:
        for unit in self.units:
            if unit.positions[0] <= position:
                place = int(np.searchsorted(unit.positions, position))
                if place < unit.documents and unit.positions[place] == position:
                    return unit, place
                return None
        return None

    # Merging.

    def due(self, idle: bool) -> Task | None:
        """What to merge next: when idle, whatever makes searching faster."""
        for number, one in enumerate(reversed(self._partitions)):
            if one.damaged:
                continue
            small = [unit for unit in one.units if unit.documents < self.room // _MANY]
            if len(small) >= _MANY and small == one.units[-len(small) :]:
                return Task(one.row.id, tuple(small))
            closed = number > 0
            dead = sum(int(unit.gone.sum()) for unit in one.units)
            total = sum(unit.documents for unit in one.units)
            if idle and closed and (len(one.units) > 1 or dead > total * _GONE_SHARE):
                return Task(one.row.id, tuple(one.units))
        return None

    def merge(self, task: Task) -> Generator[None]:
        """Merge the units of a task, in steps between which documents may be committed."""
        one = next(each for each in self._partitions if each.row.id == task.partition)
        gone = [unit.gone.copy() for unit in task.units]
        try:
            built = yield from merge_segments([unit.segment for unit in task.units], gone)
        except Damaged as error:
            self.report(task.units[0], str(error))
            return
        if one.damaged:
            return
        at = one.units.index(task.units[0])
        end = at + len(task.units)
        kept = described([*one.units[:at], *one.units[end:]])
        empty = built.segment.doc_count_all() == 0
        row, files = one.folder.write(
            one.row, kept, [] if empty else [built], self._step, slice(at, end)
        )
        alive = [~dead for dead in gone]
        dropped = [
            unit.positions[dead].tolist() for unit, dead in zip(task.units, gone, strict=True)
        ]
        self._step("commit catalogue")
        with self.catalogue.changing():
            self.catalogue.set_partition(row)
            self.catalogue.forget(position for some in dropped for position in some)
        self._step("clean")
        one.folder.clean(row)
        merged = [
            merged_unit(task.units, alive, Segment(one.folder.path, file, built.segment))
            for file in files
        ]
        with self._lock:
            one.row = row
            one.units[at:end] = merged
            self._publish()

    # Rebuilding.

    def rebuild(self, partition: int, fetch: Fetch) -> Generator[None]:
        """Make a damaged partition anew from the spool; the damaged one is put aside."""
        number = next(
            place for place, one in enumerate(self._partitions) if one.row.id == partition
        )
        one = self._partitions[number]
        later = self._partitions[number + 1 :]
        end = later[0].row.first if later else self._next
        pool, kept, lost = Pool(), list[tuple[int, Document]](), list[int]()
        for position, queue_id, gone in self.catalogue.ids(one.row.first, end):
            found = None if gone else fetch(queue_id)
            if found is None:
                lost.append(position)
            else:
                kept.append((position, found[0]))
                pool.add(queue_id, found[1])
            yield
        self._put_aside(one)
        one.folder.create()
        built = [build(pool)] if kept else []
        whole = slice(0, len(one.row.files))
        row, files = one.folder.write(one.row, [], built, self._step, whole)
        self._step("commit catalogue")
        with self.catalogue.changing():
            self.catalogue.set_partition(row)
            self.catalogue.forget(lost)
        segments = [
            Segment(one.folder.path, file, each.segment)
            for file, each in zip(files, built, strict=True)
        ]
        columns = self.catalogue.columns(row.first, end)
        with self._lock:
            one.row, one.damaged = row, ""
            one.units = units_of(partition, segments, columns)
            self._publish()

    def _put_aside(self, one: _Partition) -> None:
        aside = self.folder / _QUARANTINE
        aside.mkdir(exist_ok=True)
        if one.folder.path.exists():
            name = f"{one.folder.path.name}-{one.row.generation}"
            shutil.rmtree(aside / name, ignore_errors=True)
            one.folder.path.rename(aside / name)
        older = sorted(aside.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in older[:-_KEPT_DAMAGED]:
            shutil.rmtree(path)

    def _publish(self) -> None:
        self.units = tuple(
            [unit for one in reversed(self._partitions) for unit in reversed(one.units)]
        )
