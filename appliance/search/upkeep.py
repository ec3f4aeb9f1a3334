"""Keeps an index fit: merges segments, and rebuilds partitions that are damaged.

In steps between which documents may be committed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from typing import NamedTuple

from appliance.search.catalogue import Document
from appliance.search.index import Index, Partition
from appliance.search.merge import merge_segments
from appliance.search.pool import MANY_WORDS, Pool, build
from appliance.search.postings import Built
from appliance.search.segment import Damaged, Segment
from appliance.search.unit import Unit, described, merged_unit, units_of

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


Fetch = Callable[[str], tuple[Document, dict[str, list[str]]] | None]
"""A message by queue id: what is noted and the words of its fields; None if it is gone."""


def due(index: Index, idle: bool) -> Task | None:
    """What to merge next: when idle, whatever makes searching faster."""
    for number, one in enumerate(reversed(index.partitions)):
        if one.damaged:
            continue
        small = [unit for unit in one.units if unit.documents < index.room // _MANY]
        if len(small) >= _MANY and small == one.units[-len(small) :]:
            return Task(one.row.id, tuple(small))
        closed = number > 0
        dead = sum(int(unit.gone.sum()) for unit in one.units)
        total = sum(unit.documents for unit in one.units)
        if idle and closed and (len(one.units) > 1 or dead > total * _GONE_SHARE):
            return Task(one.row.id, tuple(one.units))
    return None


def merge(index: Index, task: Task) -> Generator[None]:
    """Merge the units of a task, in steps between which documents may be committed."""
    one = next(each for each in index.partitions if each.row.id == task.partition)
    gone = [unit.gone.copy() for unit in task.units]
    try:
        built = yield from merge_segments([unit.segment for unit in task.units], gone)
    except Damaged as error:
        index.report(task.units[0], str(error))
        return
    if one.damaged:
        return
    at = one.units.index(task.units[0])
    end = at + len(task.units)
    kept = described([*one.units[:at], *one.units[end:]])
    empty = built.segment.doc_count_all() == 0
    row, files = one.folder.write(
        one.row, kept, [] if empty else [built], index.step, slice(at, end)
    )
    alive = [~dead for dead in gone]
    dropped = [unit.positions[dead].tolist() for unit, dead in zip(task.units, gone, strict=True)]
    index.step("commit catalogue")
    with index.catalogue.changing():
        index.catalogue.set_partition(row)
        index.catalogue.forget(position for some in dropped for position in some)
    index.step("clean")
    one.folder.clean(row)
    merged = [
        merged_unit(task.units, alive, Segment(one.folder.path, file, built.segment))
        for file in files
    ]
    index.replace(one, row, [*one.units[:at], *merged, *one.units[end:]])


def rebuild(index: Index, partition: int, fetch: Fetch) -> Generator[None]:
    """Make a damaged partition anew from the spool; the damaged one is put aside."""
    one = next(each for each in index.partitions if each.row.id == partition)
    end = index.end(one)
    pool, built, lost = Pool(), list[Built](), list[int]()
    for position, queue_id, gone in index.catalogue.ids(one.row.first, end):
        found = None if gone else fetch(queue_id)
        if found is None:
            lost.append(position)
        else:
            pool.add(queue_id, found[1])
        if pool.words >= MANY_WORDS:
            built.append(build(pool, index.pause))
            pool = Pool()
        yield
    if pool:
        built.append(build(pool, index.pause))
    _put_aside(index, one)
    one.folder.create()
    whole = slice(0, len(one.row.files))
    row, files = one.folder.write(one.row, [], built, index.step, whole)
    index.step("commit catalogue")
    with index.catalogue.changing():
        index.catalogue.set_partition(row)
        index.catalogue.forget(lost)
    segments = [
        Segment(one.folder.path, file, each.segment)
        for file, each in zip(files, built, strict=True)
    ]
    columns = index.catalogue.columns(row.first, end)
    index.replace(one, row, units_of(partition, segments, columns))


def _put_aside(index: Index, one: Partition) -> None:
    aside = index.folder / _QUARANTINE
    aside.mkdir(exist_ok=True)
    if one.folder.path.exists():
        name = f"{one.folder.path.name}-{one.row.generation}"
        shutil.rmtree(aside / name, ignore_errors=True)
        one.folder.path.rename(aside / name)
    older = sorted(aside.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in older[:-_KEPT_DAMAGED]:
        shutil.rmtree(path)
