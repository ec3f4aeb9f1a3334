"""A helper on a socket of the test's, and control's client of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from appliance.control.helper import Helper as Client
from appliance.ipc.socket_file import listening_socket
from appliance.machine.helper import Helper, Operation
from appliance.monitor.events import Event

Events = list[tuple[Event, dict[str, object]]]


@asynccontextmanager
async def helping(
    folder: Path,
    operations: Sequence[Operation[Any]],
    events: Events | None = None,
    allowed: Collection[int] = (os.getuid(),),
) -> AsyncIterator[Client]:
    """A client of a helper that runs."""

    def emit(event: Event, queue_id: str = "", **values: object) -> None:
        if events is not None:
            events.append((event, values))

    path = folder / "helper.sock"
    with listening_socket(path) as listener:
        serving = asyncio.create_task(Helper(operations, allowed, emit).serve(listener))
        try:
            yield Client(path)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


class Commands:
    """A `Run` that writes down what it was to run, and says what it was told to say."""

    def __init__(self, said: dict[str, str] | None = None) -> None:
        self.run: list[tuple[str, ...]] = []
        self.given: list[str] = []
        self._said = said or {}

    async def __call__(self, *words: str, given: str = "") -> str:
        self.run.append(words)
        self.given.append(given)
        return self._said.get(words[0], "")
