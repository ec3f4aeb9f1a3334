"""Calls and pushes over real Unix sockets, with friendly and hostile ends."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
import pytest
import pytest_asyncio

from appliance.ipc.client import Client, connect
from appliance.ipc.frames import ConnectionLost, FrameTooLarge, Lost
from appliance.ipc.server import Peer, Server, serve
from appliance.ipc.wire import CallFailed, Codec, Failure

pytestmark = pytest.mark.usefixtures("settled")
LIMIT = 100_000


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True):
    what: str
    body: bytes = b""


class News(msgspec.Struct, frozen=True, tag=True, array_like=True):
    text: Any


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True):
    what: str
    body: bytes = b""


class Unwanted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


ToServer: TypeAlias = Ask | News
ToClient: TypeAlias = Answer | News | Unwanted
ServerPeer: TypeAlias = Peer[ToClient, ToServer]
AClient: TypeAlias = Client[ToServer, ToClient]


class Recorder:
    """A server whose answers the tests steer: "hold" waits for `release`."""

    def __init__(self) -> None:
        self.peers: list[ServerPeer] = []
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        self.ends: asyncio.Queue[ConnectionLost] = asyncio.Queue()
        self.release = asyncio.Event()
        self.somebody = asyncio.Event()
        self.held = 0
        self.cancelled = asyncio.Event()
        self.turn_away = False

    def connected(self, peer: ServerPeer) -> None:
        self.peers.append(peer)
        self.somebody.set()
        if self.turn_away:
            peer.close()

    def request(
        self, peer: ServerPeer, message: ToServer
    ) -> ToClient | Coroutine[Any, Any, ToClient]:
        assert isinstance(message, Ask)
        if message.what == "hold":
            return self._hold(message)
        if message.what == "refuse":
            raise CallFailed(Failure("full", "no room", hint="remove something"))
        if message.what == "bug":
            raise KeyError("bug")
        if message.what == "large":
            return Answer("large", b"x" * LIMIT)
        if message.what == "unwanted":
            return Unwanted()
        if message.what == "give up":
            return self._give_up()
        if message.what == "goodbye":
            peer.close()
            return self._hold(message)
        return Answer(message.what, message.body)

    async def _hold(self, message: Ask) -> Answer:
        self.held += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Answer("held", message.body[:1])

    async def _give_up(self) -> Answer:
        raise asyncio.CancelledError

    def pushed(self, peer: ServerPeer, message: ToServer) -> None:
        assert isinstance(message, News)
        self.news.put_nowait(message.text)

    def lost(self, peer: ServerPeer, error: ConnectionLost) -> None:
        self.ends.put_nowait(error)


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


def client_codec() -> Codec[ToServer, ToClient]:
    return Codec(msgspec.msgpack.Decoder(ToClient))


async def test_many_calls_at_once_get_their_own_answers(client: AClient, handler: Recorder) -> None:
    slow = client.call(Ask("hold", b"slow"), Answer)
    quick = [client.call(Ask(str(number)), Answer) for number in range(100)]
    assert [(await reply).what for reply in quick] == [str(number) for number in range(100)]
    assert not slow.done()
    handler.release.set()
    assert await slow == Answer("held", b"s")


async def test_pushes_go_both_ways(
    path: Path, server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    received: asyncio.Queue[ToClient] = asyncio.Queue()
    client = await connect(path, client_codec(), on_push=received.put_nowait)
    client.push(News("up"))
    assert await handler.news.get() == "up"
    handler.peers[0].push(News("down"))
    assert await received.get() == News("down")
    client.close()


async def test_the_server_knows_who_connected(client: AClient, handler: Recorder) -> None:
    await client.request(Ask("hello"), Answer)
    assert handler.peers[0].credentials == (os.getpid(), os.getuid(), os.getgid())


async def test_the_server_may_turn_a_client_away(
    path: Path, server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    handler.turn_away = True
    end: asyncio.Queue[ConnectionLost] = asyncio.Queue()
    await connect(path, client_codec(), on_lost=end.put_nowait)
    assert (await end.get()).reason == Lost.PEER_CLOSED


async def test_a_refusal_arrives_as_it_was_given(client: AClient) -> None:
    with pytest.raises(CallFailed) as caught:
        await client.request(Ask("refuse"), Answer)
    assert caught.value.failure == Failure("full", "no room", hint="remove something")


async def test_a_bug_in_a_handler_fails_one_call_and_is_reported(client: AClient) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    with pytest.raises(CallFailed) as caught:
        await client.request(Ask("bug"), Answer)
    assert caught.value.failure.code == "internal"
    assert not caught.value.failure.permanent
    assert isinstance(reported[0]["exception"], KeyError)
    assert await client.request(Ask("still there"), Answer) == Answer("still there")


async def test_a_handler_that_cancels_itself_still_answers(client: AClient) -> None:
    with pytest.raises(CallFailed, match="cancelled"):
        await client.request(Ask("give up"), Answer)


async def test_an_answer_over_the_limit_is_a_failure(client: AClient) -> None:
    with pytest.raises(CallFailed) as caught:
        await client.request(Ask("large"), Answer)
    assert caught.value.failure.code == "too large"
    assert caught.value.failure.permanent


async def test_an_answer_of_another_type_is_a_failure(client: AClient) -> None:
    with pytest.raises(CallFailed, match="expected Answer, got Unwanted"):
        await client.request(Ask("unwanted"), Answer)


async def test_a_call_over_the_limit_stays_here(client: AClient) -> None:
    before = client.call(Ask("before"), Answer)
    with pytest.raises(FrameTooLarge):
        client.call(Ask("large", b"x" * LIMIT), Answer)
    assert await before == Answer("before")
    assert await client.request(Ask("after"), Answer) == Answer("after")


async def test_what_cannot_be_encoded_leaves_no_half_frame(client: AClient) -> None:
    with pytest.raises(TypeError):
        client.push(News([1, 2, object()]))
    assert await client.request(Ask("after"), Answer) == Answer("after")


async def test_a_lost_connection_fails_every_open_call(client: AClient, handler: Recorder) -> None:
    calls = [client.call(Ask("hold"), Answer) for _ in range(10)]
    await client.request(Ask("all arrived"), Answer)
    handler.peers[0].fail(Lost.BROKEN)
    for call in calls:
        with pytest.raises(ConnectionLost):
            await call
    with pytest.raises(ConnectionLost):
        await client.request(Ask("too late"), Answer)


async def test_work_for_a_lost_client_is_cancelled(client: AClient, handler: Recorder) -> None:
    call = client.call(Ask("hold"), Answer)
    await client.request(Ask("it arrived"), Answer)
    client.close()
    await handler.cancelled.wait()
    with pytest.raises(ConnectionLost):
        await call


async def test_work_begun_for_a_client_just_turned_away_is_cancelled(
    client: AClient, handler: Recorder
) -> None:
    with pytest.raises(ConnectionLost):
        await client.request(Ask("goodbye"), Answer)
    await handler.ends.get()
    assert all(task is asyncio.current_task() for task in asyncio.all_tasks())


async def test_a_cancelled_caller_leaves_the_connection_in_order(
    client: AClient, handler: Recorder
) -> None:
    call = asyncio.create_task(client.request(Ask("hold"), Answer))
    await client.request(Ask("it arrived"), Answer)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    handler.release.set()
    assert await client.request(Ask("next"), Answer) == Answer("next")


async def test_a_server_that_closes_tells_its_clients(
    path: Path, server: Server[ToClient, ToServer], handler: Recorder
) -> None:
    ends: asyncio.Queue[ConnectionLost] = asyncio.Queue()
    await connect(path, client_codec(), on_lost=ends.put_nowait)
    await handler.somebody.wait()
    server.close()
    assert (await ends.get()).reason == Lost.PEER_CLOSED
    with pytest.raises(FileNotFoundError):
        await connect(path, client_codec())


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
