"""Processes that talk nonsense, too much, or not at all."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from pathlib import Path
from typing import cast

import msgspec
import pytest

from appliance.ipc.client import connect
from appliance.ipc.frames import ConnectionLost, Lost
from appliance.ipc.server import Peer, Server
from appliance.ipc.wire import Failure
from tests.unit.ipc.talk import (
    LIMIT,
    AClient,
    Answer,
    Ask,
    News,
    Recorder,
    ToClient,
    ToServer,
    client_codec,
)

pytestmark = pytest.mark.usefixtures("settled")


def frame(kind: int, number: int, body: bytes) -> bytes:
    return struct.pack(">IBQ", 9 + len(body), kind, number) + body


@pytest.mark.parametrize(
    "sent, reason",
    [
        (b"GET / HTTP/1.1\r\n\r\n", Lost.OVERSIZED),
        (struct.pack(">I", LIMIT + 1), Lost.OVERSIZED),
        (struct.pack(">I", 8) + b"\0" * 8, Lost.MALFORMED),
        (frame(1, 1, b"\xc0"), Lost.MALFORMED),
        (frame(9, 1, b"\xc0"), Lost.MALFORMED),
        (frame(3, 0, b"\xc1 no msgpack"), Lost.MALFORMED),
        (frame(3, 0, msgspec.msgpack.encode(["Answer", "of the wrong union"])), Lost.MALFORMED),
    ],
)
async def test_garbage_ends_the_connection_that_sent_it(
    path: Path, client: AClient, handler: Recorder, sent: bytes, reason: Lost
) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    assert (await handler.ends.get()).reason == reason
    assert await reader.read() == b""
    writer.close()
    assert await client.request(Ask("others go on"), Answer) == Answer("others go on")


async def test_a_malformed_request_fails_alone(
    path: Path, server: Server[ToClient, ToServer]
) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(frame(0, 7, b"\xc1") + frame(0, 8, msgspec.msgpack.encode(Ask("good"))))
    (size,) = struct.unpack(">I", await reader.readexactly(4))
    kind, number = struct.unpack(">BQ", (answer := await reader.readexactly(size))[:9])
    failure = msgspec.msgpack.decode(answer[9:], type=Failure)
    assert (kind, number, failure.code, failure.permanent) == (2, 7, "malformed", True)
    (size,) = struct.unpack(">I", await reader.readexactly(4))
    assert (await reader.readexactly(size))[:9] == struct.pack(">BQ", 1, 8)
    writer.close()


async def test_a_truncated_frame_is_dropped(
    path: Path, server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(frame(3, 0, msgspec.msgpack.encode(News("never whole")))[:-1])
    writer.close()
    end = await handler.ends.get()
    assert (end.reason, end.detail) == (Lost.PEER_CLOSED, "in the middle of a frame")
    assert handler.news.empty()


@pytest.mark.parametrize("body", [b"\xc1", msgspec.msgpack.encode(Ask("wrong union"))])
async def test_a_malformed_reply_ends_the_connection(path: Path, body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(frame(1, 1, body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    client = await connect(path, client_codec())
    with pytest.raises(ConnectionLost) as caught:
        await client.request(Ask("hello"), Answer)
    assert caught.value.reason == Lost.MALFORMED
    server.close()


async def test_a_server_reads_no_more_calls_than_it_can_have_open(
    client: AClient, handler: Recorder
) -> None:
    calls: list[asyncio.Future[Answer]] = []
    while client.writable:
        calls.append(client.call(Ask("hold", b"x" * 8192), Answer))
        assert len(calls) < 10_000, "the server takes everything"
        await asyncio.sleep(0)
    assert 1024 <= handler.held < 1024 + 100
    handler.release.set()
    await client.wait_writable()
    for call in calls:
        assert await call == Answer("held", b"x")


async def test_a_server_reads_no_calls_while_its_answers_are_not_read(client: AClient) -> None:
    client.pause_reading()
    calls: list[asyncio.Future[Answer]] = []
    while client.writable:
        calls.append(client.call(Ask("echo", b"x" * 8192), Answer))
        assert len(calls) < 5_000, "the server takes everything"
        await asyncio.sleep(0)
    client.resume_reading()
    for call in calls:
        assert (await call).what == "echo"


class Accepted:
    """What the loop hands over when it accepted a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.closed = False

    def get_extra_info(self, name: str) -> socket.socket | None:
        return self._sock if name == "socket" else None

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...
    def close(self) -> None:
        self.closed = True


async def test_a_connection_accepted_while_the_server_closes_is_ended(
    server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    server.close()
    near, far = socket.socketpair()
    with near, far:
        accepted = Accepted(near)
        peer = Peer(server, asyncio.get_running_loop())
        peer.connection_made(cast(asyncio.Transport, accepted))
    assert accepted.closed
    assert handler.peers == []
    assert handler.ends.empty()


async def test_pushes_to_a_client_that_does_not_read_wait_then_go_on(
    client: AClient, handler: Recorder
) -> None:
    await client.request(Ask("connected"), Answer)
    peer = handler.peers[0]
    client.pause_reading()
    while peer.writable:
        peer.push(News(b"x" * 50_000))
        await asyncio.sleep(0)
    waiting = asyncio.create_task(peer.wait_writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    client.resume_reading()
    await waiting


async def test_a_client_that_never_reads_is_dropped_before_memory_is_full(
    path: Path, server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(path))
        await handler.somebody.wait()
        for _ in range(1000):
            if not handler.ends.empty():
                break
            handler.peers[0].push(News(b"x" * 99_000))
            await asyncio.sleep(0)
        assert (await handler.ends.get()).reason == Lost.NOT_READING


async def test_nothing_is_left_behind(client: AClient, handler: Recorder) -> None:
    for _ in range(3):
        await client.request(Ask("x"), Answer)
    client.close()
    await handler.ends.get()
    gc.collect()  # a never-retrieved exception or a lost task would warn, and warnings fail
