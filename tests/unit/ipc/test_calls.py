"""Calls, answers and pushes between processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from appliance.ipc.client import connect
from appliance.ipc.frames import ConnectionLost, FrameTooLarge, Lost
from appliance.ipc.server import Server
from appliance.ipc.wire import CallFailed, Failure
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
