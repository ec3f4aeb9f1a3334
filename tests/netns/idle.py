"""A client that was greeted and then just waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.netns.contender import SMTP
from tests.support.patience import patiently

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def idle_client(
    address: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Its two ends, in this thread's namespace."""
    reader, writer = await patiently(asyncio.open_connection(address, SMTP))
    try:
        assert (await patiently(reader.readline())).startswith(b"220 ")
        yield reader, writer
    finally:
        writer.close()
