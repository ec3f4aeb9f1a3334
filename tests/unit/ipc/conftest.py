"""IPC is tested on both event loops it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {
        "asyncio": lambda: guarded(asyncio.new_event_loop()),
        "uvloop": lambda: guarded(uvloop.new_event_loop()),
    }


def guarded(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """A test that waits for what never comes fails instead of hanging the run."""
    loop.call_later(60, lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
    return loop


@pytest_asyncio.fixture
async def settled() -> AsyncIterator[None]:
    """After the test and its fixtures: let the loop close what was told to close."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)
