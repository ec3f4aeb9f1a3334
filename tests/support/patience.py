"""Waiting in tests: for events, and for a bounded time only, so that a hang is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

ENOUGH = 30.0
"""Seconds: far more than anything takes, however busy the machine is."""


async def patiently(event: Awaitable[T]) -> T:
    """`event`, or TimeoutError if it never comes."""
    async with asyncio.timeout(ENOUGH):
        return await event
