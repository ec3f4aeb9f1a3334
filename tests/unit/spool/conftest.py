"""Fixtures of the spool's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.spool.schema import open_writer


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    """An empty spool.db; nothing here is about power."""
    connection = open_writer(str(tmp_path / "spool.db"))
    connection.pragma("synchronous", "OFF")
    yield connection
    connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where large bodies would be."""
    content = tmp_path / "content"
    content.mkdir()
    return content
