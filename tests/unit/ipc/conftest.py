"""IPC is tested on both event loops it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from appliance.ipc.client import connect
from appliance.ipc.server import Server, serve
from appliance.ipc.wire import Codec
from tests.support import loops
from tests.unit.ipc.talk import (
    LIMIT,
    AClient,
    Recorder,
    ToClient,
    ToServer,
    client_codec,
)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, loops.Factory]:
    return loops.both()


@pytest_asyncio.fixture
async def settled() -> AsyncIterator[None]:
    """After the test and its fixtures: let the loop close what was told to close."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.sock"


@pytest_asyncio.fixture
async def handler() -> Recorder:
    return Recorder()


@pytest_asyncio.fixture
async def server(path: Path, handler: Recorder) -> AsyncIterator[Server[ToClient, ToServer]]:
    server = await serve(path, Codec(msgspec.msgpack.Decoder(ToServer)), handler, limit=LIMIT)
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(path: Path, server: Server[ToClient, ToServer]) -> AsyncIterator[AClient]:
    client = await connect(path, client_codec(), limit=LIMIT)
    yield client
    client.close()
