"""The index: partitions in order of arrival, changed by one thread, read by others.

`units` is replaced as a whole at each change, so a search sees one state from beginning to end.
Crash windows of a commit: before the catalogue's, everything new is ignored and removed at the
next start; after it, everything old is.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from appliance.search.partition import Folder, Step, sync_folder
from appliance.search.pool import Pool, build
from appliance.search.segment import Damaged, Segment
from appliance.search.unit import Unit, described, units_of

CATALOGUE = "catalogue.db"


@dataclass
class Partition:
    """One of them, with why it cannot be read if so."""

    row: PartitionRow
    folder: Folder
    units: list[Unit]
    damaged: str = ""


def _no_step(name: str) -> None:
    """Nobody watches."""


class Index:
    """The index in `folder`; one thread changes it. Raises OSError and apsw.Error.

    `room`: documents of a partition. `pause` is called now and then where a change takes long.
    """

    def __init__(
        self,
        folder: Path,
        room: int = 10_000,
        step: Step = _no_step,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.room = room
        self.units: tuple[Unit, ...] = ()
        """The newest first."""
        self.mark = Mark()
        self.era = 0
        """Grows whenever the index begins anew."""
        self.step = step
        self.pause = pause
        self.partitions: list[Partition] = []
        """The oldest first."""
        self._catalogue: Catalogue | None = None
        self._next = 1
        self._lock = threading.Lock()

    # Reading.

    @property
    def damaged(self) -> tuple[int, ...]:
        """Partitions that cannot be searched until they are rebuilt."""
        return tuple([one.row.id for one in self.partitions if one.damaged])

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
            for one in self.partitions:
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
        opened = [self._opened(row, end) for row, end in zip(rows, ends, strict=True)]
        self.units = _newest_first(opened)  # first: who sees partitions finds what is in them
        self.partitions = opened
        self._remove_strays()

    def _opened(self, row: PartitionRow, end: int | None) -> Partition:
        folder = self._folder(row.id)
        try:
            segments = folder.open(row)
            folder.clean(row)
            columns = self.catalogue.columns(row.first, end)
            units = units_of(row.id, segments, columns)
        except (Damaged, FileNotFoundError, NotADirectoryError) as error:
            return Partition(row, folder, [], str(error))
        return Partition(row, folder, units)

    def _folder(self, partition: int) -> Folder:
        return Folder(self.folder / f"p{partition:06d}")

    def _remove_strays(self) -> None:
        """Folders of partitions that were never committed."""
        known = {one.folder.path.name for one in self.partitions}
        for path in self.folder.glob("p[0-9]*"):
            if path.name not in known:
                shutil.rmtree(path)

    def close(self) -> None:
        """Close the catalogue; mapped files go with the last search that uses them."""
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None
        self.units, self.partitions = (), []

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
        if not self.partitions or self.partitions[-1].damaged:
            return self.room
        left = self.room - sum(file.documents for file in self.partitions[-1].row.files)
        return left if left > 0 else self.room

    def commit(self, pool: Pool, documents: Sequence[Document], mark: Mark) -> None:
        """Add documents, at most `room_left`, and move the mark; durable when it returns."""
        last = self.partitions[-1] if self.partitions else None
        if last is None or last.damaged or self.room_left() == self.room:
            id_ = last.row.id + 1 if last else 1
            last = Partition(PartitionRow(id_, self._next), self._folder(id_), [])
            last.folder.create()
        built = build(pool, self.pause)
        kept, end = described(last.units), len(last.row.files)
        row, files = last.folder.write(last.row, kept, [built], self.step, slice(end, end))
        first = self._next
        self.step("commit catalogue")
        with self.catalogue.changing():
            self.catalogue.set_partition(row)
            self.catalogue.add(first, documents)
            self.catalogue.set_mark(mark)
        self.step("clean")
        last.folder.clean(row)
        segment = Segment(last.folder.path, files[0], built.segment)
        columns = [
            (position, one.received, one.state, 0) for position, one in enumerate(documents, first)
        ]
        with self._lock:
            if last not in self.partitions:
                self.partitions.append(last)
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

    # For those who keep it up (`upkeep`).

    def end(self, one: Partition) -> int:
        """The position behind the last of a partition."""
        later = self.partitions[self.partitions.index(one) + 1 :]
        return later[0].row.first if later else self._next

    def replace(self, one: Partition, row: PartitionRow, units: Sequence[Unit]) -> None:
        """Show other contents of a partition, those that the catalogue names by now."""
        with self._lock:
            one.row, one.units, one.damaged = row, list(units), ""
            self._publish()

    def _publish(self) -> None:
        self.units = _newest_first(self.partitions)


def _newest_first(partitions: Sequence[Partition]) -> tuple[Unit, ...]:
    return tuple([unit for one in reversed(partitions) for unit in reversed(one.units)])
