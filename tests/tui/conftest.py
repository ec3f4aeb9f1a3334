"""One pair for all tests that press keys against a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.pair.harness import Settings, addresses
from tests.pair.moving import Moving


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """Node a holds the virtual address at first, or b; nothing listens at the next hop."""
    virtual, a, b, hop = addresses(4)
    folder = tmp_path_factory.mktemp("pair")
    settings = Settings(hop=f"{hop}:2525", addresses=(a, b), search=True)
    found = Moving(folder, settings, virtual)
    try:
        asyncio.run(_start(found))
        yield found
    finally:
        found.kill()


async def _start(pair: Moving) -> None:
    await pair.__aenter__()
    await pair.active()
