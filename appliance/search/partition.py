"""The files of one partition: a folder that stock Whoosh opens as an index.

A commit writes the new segment, then the table of contents that names it, each synced with its
folder. Nothing old is removed here: that waits for the catalogue (`clean`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from whoosh.filedb.filestore import RamStorage
from whoosh.index import TOC

from appliance.search.catalogue import File, PartitionRow
from appliance.search.postings import INDEX, Built, schema
from appliance.search.segment import Segment, reading

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
        row: PartitionRow,
        kept: Sequence[Any],
        built: Sequence[Built],
        step: Step,
        replaced: slice,
    ) -> tuple[PartitionRow, tuple[File, ...]]:
        """Write new segments in place of the `replaced` ones of `row`, and new contents.

        `kept`: Whoosh's descriptions of the others. Returns the row to be committed and the new
        files. Raises OSError; then nothing that was there before has changed.
        """
        step("write segment")
        for one in built:
            write_file(self.path / one.name, one.data)
        step("write contents")
        for one in built:
            one.segment.compound = True
        segments = list(kept)
        segments[replaced.start : replaced.start] = [one.segment for one in built]
        generation = row.generation + 1
        ram = RamStorage()
        TOC(schema(), segments, generation).write(ram, INDEX)
        name = _contents(generation)
        contents: bytes = ram.files[name]
        write_file(self.path / f"{name}.new", contents)
        step("name contents")
        (self.path / f"{name}.new").rename(self.path / name)
        step("sync folder")
        sync_folder(self.path)
        files = tuple([one.file() for one in built])
        every = (*row.files[: replaced.start], *files, *row.files[replaced.stop :])
        return PartitionRow(row.id, row.first, generation, crc32(contents), every), files

    def clean(self, row: PartitionRow) -> None:
        """Remove what `row` does not name, newer contents first of all.

        Contents that no commit counts would be what stock Whoosh opens.
        """
        wanted = {_contents(row.generation), *(one.name for one in row.files)}
        found = [name for name in os.listdir(self.path) if name not in wanted]
        for name in sorted(found, key=lambda name: _TOC.fullmatch(name) is None):
            (self.path / name).unlink(missing_ok=True)

    def open(self, row: PartitionRow) -> list[Segment]:
        """The segments as they were committed; raises Damaged."""
        name = _contents(row.generation)
        with reading(self.path / name):
            ram = RamStorage()
            ram.files[name] = (self.path / name).read_bytes()
            if crc32(ram.files[name]) != row.seal:
                raise ValueError("not what was written")
            contents = TOC.read(ram, INDEX, row.generation)
        return [
            Segment(self.path, file, described)
            for file, described in zip(row.files, contents.segments, strict=True)
        ]


def _contents(generation: int) -> str:
    return f"_{INDEX}_{generation}.toc"


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
