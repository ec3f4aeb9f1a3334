"""The link is tested on both event loops it runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import loops
from tests.unit.link.nodes import Nodes
from tests.unit.link.table import Table


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, loops.Factory]:
    return loops.both()


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    """Makes nodes and links; ends the links after the test."""
    nodes = Nodes(tmp_path)
    yield nodes
    await nodes.close()


@pytest_asyncio.fixture
async def table(nodes: Nodes) -> AsyncIterator[Table]:
    table = Table(nodes)
    yield table
    await table.close()
