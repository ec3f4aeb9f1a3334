"""Tries passwords beside the loop: argon2 takes its time, and leaves the interpreter free."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from appliance.identity.credential import Credential, fits, made, unknown

T = TypeVar("T")
_NICE = 10
_LONGEST_REST = 0.5
"""Seconds."""


class Busy(Exception):
    """More passwords wait to be tried than there is time for."""


class Hasher:
    """One password at a time: a flood of them costs at most one processor, and 19 MiB.

    `waiting`: how many may wait for their turn. `rest`: after a wrong one nothing is hashed for so
    many times as long as it took, so that guesses have a fifth of a processor; right ones follow
    one another at once.
    """

    def __init__(self, waiting: int = 100, rest: float = 4.0) -> None:
        self._waiting = waiting
        self._rest = rest
        self._pending = 0
        self._pool = ThreadPoolExecutor(1, "passwords", _yield_to_mail)
        self._unknown = self._pool.submit(unknown)

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether `password` is the one hashed in `known`; raises Busy.

        Nothing is the password of somebody unknown (None), and it takes as long to say so.
        """
        # Asked for in the pool: the first such hash is made there, not on the loop.
        return await self._in_turn(lambda: self._fits(known, password))

    async def made(self, password: str, now: int) -> Credential:
        """What is kept of a new password; raises Busy, BadPassword."""
        return await self._in_turn(lambda: made(password, now))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._pending >= self._waiting:
            raise Busy
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1

    def _fits(self, known: str | None, password: str) -> bool:
        begun = time.monotonic()
        right = fits(known or self._unknown.result(), password)
        if not right:
            rest = min(self._rest * (time.monotonic() - begun), _LONGEST_REST)
            with suppress(RuntimeError):  # it was closed meanwhile
                self._pool.submit(time.sleep, rest)
        return right and known is not None

    def close(self) -> None:
        """End the thread; what waits is not tried."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _yield_to_mail() -> None:
    """Give this thread less of a busy processor; while it hashes, others have the interpreter."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
