"""One kind of data, read again and again while somebody looks; only what changed is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from textual.dom import DOMNode
from textual.worker import Worker

from tui.node import Trouble

T = TypeVar("T")


class Follower(Generic[T]):
    """Reads every `every` seconds while started, as a worker of `owner`; one reading at a time.

    `show` gets a value when it is another one than the last, `fail` a trouble each time. `told`:
    one of them was called, and nobody was in a hurry since.
    """

    def __init__(
        self,
        owner: DOMNode,
        read: Callable[[], Awaitable[T]],
        show: Callable[[T], None],
        fail: Callable[[Trouble], None],
        every: float,
    ) -> None:
        self._owner = owner
        self._read = read
        self._show = show
        self._fail = fail
        self._every = every
        self._shown: T | None = None
        self.told = False
        self._again = asyncio.Event()
        self._task: Worker[None] | None = None

    def start(self) -> None:
        """Begin, at once."""
        if self._task is None:
            self._task = self._owner.run_worker(self._run(), group="follow")

    def stop(self) -> None:
        """Read no more; what was shown last is remembered."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def hurry(self, *, forget: bool = False) -> None:
        """Read now. `forget`: and show it in any case, as it is of another node."""
        if forget:
            self._shown = None
            if self._task is not None:  # what is under way is of the node before
                self.stop()
                self.start()
        self.told = False
        self._again.set()

    async def _run(self) -> None:
        while True:
            self._again.clear()
            try:
                value = await self._read()
            except Trouble as trouble:
                self._shown = None
                self._fail(trouble)
            else:
                if value != self._shown:
                    self._shown = value
                    self._show(value)
            self.told = not self._again.is_set()
            try:
                async with asyncio.timeout(self._every):
                    await self._again.wait()
            except TimeoutError:
                continue
