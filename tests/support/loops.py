"""The two event loops that asynchronous parts are tested on, for a conftest's loop factories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop

Factory = Callable[[], asyncio.AbstractEventLoop]

_PATIENCE = 60.0


def both() -> Mapping[str, Factory]:
    """What a `pytest_asyncio_loop_factories` hook returns."""
    return {
        "asyncio": lambda: _guarded(asyncio.new_event_loop()),
        "uvloop": lambda: _guarded(uvloop.new_event_loop()),
    }


def _guarded(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """A test that waits for what never comes fails instead of hanging the run."""
    loop.call_later(_PATIENCE, lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
    return loop
