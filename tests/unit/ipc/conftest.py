"""IPC is tested on both event loops it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.support import loops


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, loops.Factory]:
    return loops.both()


@pytest_asyncio.fixture
async def settled() -> AsyncIterator[None]:
    """After the test and its fixtures: let the loop close what was told to close."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)
