"""Socket files: mode, replacement, removal, depth."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.ipc.client import connect
from appliance.ipc.server import Server
from appliance.ipc.socket_file import SocketInUse
from appliance.ipc.wire import Codec

pytestmark = pytest.mark.usefixtures("settled")


class Echo:
    def connected(self, peer: Any) -> None: ...

    def request(self, peer: Any, message: Any) -> Any:
        return message

    def pushed(self, peer: Any, message: Any) -> None: ...
    def lost(self, peer: Any, error: Any) -> None: ...


CODEC: Codec[Any, Any] = Codec(msgspec.msgpack.Decoder())


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def names(directory: Path) -> list[str]:
    return os.listdir(directory)


async def serve_at(path: Path) -> Server[Any, Any]:
    server: Server[Any, Any] = Server(path, CODEC, Echo())
    await server.start()
    return server


async def answers(path: Path) -> bool:
    client = await connect(path, CODEC)
    reply = await client.request("ping", str)
    client.close()
    return reply == "ping"


@pytest.mark.usefixtures("open_umask")
async def test_only_the_owner_may_connect_whatever_the_umask(tmp_path: Path) -> None:
    server = await serve_at(tmp_path / "s")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    server.close()


async def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = await serve_at(path)
    assert await answers(path)
    server.close()
    assert names(tmp_path) == []


async def test_a_file_left_by_a_start_cut_short_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s.new"))
    server = await serve_at(tmp_path / "s")
    server.close()
    assert names(tmp_path) == []


async def test_a_served_socket_is_not_taken_over(tmp_path: Path) -> None:
    first = await serve_at(tmp_path / "s")
    with pytest.raises(SocketInUse):
        await serve_at(tmp_path / "s")
    assert await answers(tmp_path / "s")
    first.close()


async def test_a_served_socket_with_a_full_backlog_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(SocketInUse):
            await serve_at(path)


async def test_what_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        await serve_at(path)
    assert path.read_text() == "precious"


async def test_a_successor_keeps_its_socket_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = await serve_at(path)
    path.unlink()
    second = await serve_at(path)
    first.close()
    assert await answers(path)
    second.close()


async def test_paths_longer_than_a_socket_address_work(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    server = await serve_at(deep / "s")
    assert await answers(deep / "s")
    server.close()
    assert names(deep) == []


async def test_connecting_where_nobody_listens_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await connect(tmp_path / "s", CODEC)
