"""The files of one partition: a folder that stock Whoosh opens as an index.

A commit writes the new segment, then the table of contents that names it, each synced with its
folder. Nothing old is removed here: that waits for the catalogue (`clean`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from whoosh.filedb.filestore import FileStorage, RamStorage
from whoosh.index import TOC

from appliance.search.catalogue import File
from appliance.search.postings import INDEX, Built, schema
from appliance.search.segment import Damaged, Segment, reading

Step = Callable[[str], None]
"""Told before each step of a commit; tests crash there."""
_TOC = re.compile(rf"_{INDEX}_(\d+)\.toc")


class Folder:
    """The folder of a partition at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make it, durably."""
        self.path.mkdir(parents=True, exist_ok=True)
        sync_folder(self.path.parent)

    def write(
        self,
        generation: int,
        kept: Sequence[Any],
        built: Sequence[Built],
        step: Step,
        at: int | None = None,
    ) -> tuple[File, ...]:
        """Write new segments, and contents that have them among `kept` ones; their files.

        `at`: in front of which kept one; behind them all if None. Raises OSError; then nothing
        that was there before has changed.
        """
        step("write segment")
        for one in built:
            write_file(self.path / one.name, one.data)
        step("write contents")
        ram = RamStorage()
        segments = list(kept)
        for one in built:
            one.segment.compound = True
        place = len(segments) if at is None else at
        segments[place:place] = [one.segment for one in built]
        TOC(schema(), segments, generation).write(ram, INDEX)
        name = f"_{INDEX}_{generation}.toc"
        write_file(self.path / f"{name}.new", ram.files[name])
        step("name contents")
        (self.path / f"{name}.new").rename(self.path / name)
        step("sync folder")
        sync_folder(self.path)
        return tuple([File(one.name, one.segment.doc_count_all(), len(one.data)) for one in built])

    def clean(self, generation: int, files: Collection[File]) -> None:
        """Remove what `generation` does not name, newer contents first of all.

        Contents that no commit counts would be what stock Whoosh opens.
        """
        wanted = {f"_{INDEX}_{generation}.toc", *(one.name for one in files)}
        found = [name for name in os.listdir(self.path) if name not in wanted]
        for name in sorted(found, key=lambda name: _TOC.fullmatch(name) is None):
            (self.path / name).unlink(missing_ok=True)

    def open(self, generation: int, files: Sequence[File]) -> list[Segment]:
        """The segments as they were committed; raises Damaged."""
        with reading(self.path / f"_{INDEX}_{generation}.toc"):
            contents = TOC.read(FileStorage(str(self.path)), INDEX, generation)
        described = {one.make_filename(one.COMPOUND_EXT): one for one in contents.segments}
        if list(described) != [one.name for one in files]:
            raise Damaged(f"{self.path.name}: other segments than were committed")
        segments = []
        for file in files:
            segment = Segment(self.path / file.name, described[file.name], file.size)
            if segment.documents != file.documents:
                raise Damaged(f"{file.name}: other documents than were committed")
            segments.append(segment)
        return segments


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file, durably but for its name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with open(descriptor, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
