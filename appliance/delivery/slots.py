"""A limit on transactions over all next hops, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """So many may be held at a time; who waits longest gets the next one."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits: a holder with more to do should stand in line again."""
        return any(not waiter.done() for waiter in self._waiters)

    async def take(self) -> None:
        """Wait for a slot."""
        if self._free > 0:
            self._free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.give()  # it came at the moment we were told to stop
            raise

    def give(self) -> None:
        """Give a slot back."""
        self._free += 1
        self._hand_out()

    def resize(self, count: int) -> None:
        """So many from now on; those that are held too many are not given out again."""
        self._free += count - self._count
        self._count = count
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiters and self._free > 0:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._free -= 1
                waiter.set_result(None)
