"""Tries passwords beside the loop: argon2 takes its time, and leaves the interpreter free."""

from __future__ import annotations

import asyncio
import heapq
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import TypeVar

from appliance.identity.credential import Credential, fits, made, unknown

T = TypeVar("T")
_NICE = 10
_LONGEST_REST = 0.5
"""Seconds."""


class Busy(Exception):
    """More passwords wait to be tried than there is time for."""


class Hasher:
    """Two threads, each with one password at a time and 19 MiB: one for strangers, one for others.

    `waiting`: how many may wait for a thread. `rest`: after a wrong password it hashes nothing for
    so many times as long as it took, so that guesses have a twentieth of a processor; right ones
    follow one another at once. `pause` is how a thread rests, in seconds.
    """

    def __init__(
        self,
        waiting: int = 100,
        rest: float = 19.0,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._waiting = waiting
        self._rest = rest
        self._pause = pause
        self._closed = False
        self._strangers, self._others = _Line("strangers"), _Line("others")
        self._unknown = self._strangers.pool.submit(unknown)

    async def fits(
        self, known: str | None, password: str, stranger: bool = True, tries: int = 0
    ) -> bool:
        """Whether `password` is the one hashed in `known`; raises Busy.

        Nothing is the password of somebody unknown (None), and it takes as long to say so. A
        `stranger` comes from where nobody has been right before, and waits for other strangers:
        of these for whoever has had fewer `tries`, so that guessers hold up each other.
        """
        line = self._strangers if stranger else self._others
        return await self._in_turn(line, tries, lambda: self._fits(line, known, password))

    async def made(self, password: str, now: int) -> Credential:
        """What is kept of a new password; raises Busy, BadPassword."""
        return await self._in_turn(self._others, 0, lambda: made(password, now))

    async def _in_turn(self, line: _Line, rank: int, work: Callable[[], T]) -> T:
        if line.waiting >= self._waiting:
            raise Busy
        async with line.turn(rank):
            if self._closed:
                raise Busy
            return await asyncio.get_running_loop().run_in_executor(line.pool, work)

    def _fits(self, line: _Line, known: str | None, password: str) -> bool:
        begun = time.monotonic()
        right = fits(known or self._unknown.result(), password)
        if not right:
            rest = min(self._rest * (time.monotonic() - begun), _LONGEST_REST)
            with suppress(RuntimeError):  # it was closed meanwhile
                line.pool.submit(self._pause, rest)
        return right and known is not None

    def close(self) -> None:
        """End the threads; what waits is not tried."""
        self._closed = True
        for line in (self._strangers, self._others):
            line.pool.shutdown(wait=False, cancel_futures=True)


class _Line:
    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(1, f"passwords of {name}", _yield_to_mail)
        self.waiting = 0
        """With the one whose turn it is."""
        self._taken = False
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def turn(self, rank: int) -> AsyncIterator[None]:
        """One after the other, the lowest rank first, and of one rank whoever came first."""
        self.waiting += 1
        try:
            if self._taken:
                await self._queued(rank)
            self._taken = True
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self.waiting -= 1

    async def _queued(self, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given the turn in the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._queue:
            turn = heapq.heappop(self._queue)[2]
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._taken = False


def _yield_to_mail() -> None:
    """Give this thread less of a busy processor; while it hashes, others have the interpreter."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
