"""Runs the configured commands that say how this node is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from appliance.config.failover import TrackSettings


class Tracker:
    """Runs one command every `interval` until cancelled; `on_result` gets (name, passed)."""

    def __init__(self, settings: TrackSettings, on_result: Callable[[str, bool], None]) -> None:
        self._settings = settings
        self._on_result = on_result

    async def run(self) -> None:
        """One run begins `interval` after the one before began, or when that has ended."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._on_result(str(self._settings.name), await self._passes())
            await asyncio.sleep(max(0.0, started + self._settings.interval.seconds - loop.time()))

    async def _passes(self) -> bool:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:  # not there, not executable, no memory: it says nothing good
            return False
        try:
            async with asyncio.timeout(self._settings.timeout.seconds):
                return await process.wait() == 0
        except TimeoutError:
            return False
        finally:
            # Its whole process group, whatever became of this task.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
