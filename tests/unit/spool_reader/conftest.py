"""A node's spool to write and to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.spool_reader.dead_disk import Scene
from tests.unit.spool_reader.desk import Desk
from tests.unit.spool_reader.writer import Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "spool")
    yield writer
    writer.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.a.close()


@pytest.fixture
def desk(writer: Writer) -> Iterator[Desk]:
    desk = Desk(writer)
    yield desk
    desk.reader.close()
