"""A limit on transactions over all next hops, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """So many may be held at a time; who waits longest gets the next one."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits: a holder with more to do should stand in line again."""
        return any(not waiter.done() for waiter in self._waiters)

    async def take(self) -> None:
        """Wait for a slot."""
        if self._free:
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
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
