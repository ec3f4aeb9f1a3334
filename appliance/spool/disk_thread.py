"""A thread that waits for the disk, so that the event loop need not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Work = Callable[[], None]
Ended = Callable[[BaseException | None], None]


class DiskThread:
    """Does one thing after the other; says on the loop how each ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._wanted: SimpleQueue[tuple[Work, Ended] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Work, ended: Ended) -> None:
        """Call `work` in the thread, then `ended` on the loop, with what it raised."""
        self._wanted.put((work, ended))

    def stop(self) -> None:
        """Wait for what was begun; nothing may be asked for any more."""
        self._wanted.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            work, ended = wanted
            error: BaseException | None = None
            try:
                work()
            except BaseException as raised:  # whatever it was, the loop must hear of it
                error = raised
            self._loop.call_soon_threadsafe(ended, error)
