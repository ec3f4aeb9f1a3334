"""Links that break, are made again, and stop."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from appliance.config.units import Endpoint
from appliance.ipc.frames import ConnectionLost, Lost
from appliance.link.connection import Refusal, Timing
from appliance.link.identity import Identity
from appliance.link.transport import NotPaired, PeerLink
from tests.unit.link.joined import HELLO, connected
from tests.unit.link.nodes import ANYWHERE, QUICK, Down, Ear, Nodes, Up, pairing, tls


async def test_a_broken_connection_is_made_again(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    network = await nodes.network(listening.link.port)
    dialling = await nodes.dialling(low, network.port)
    for round_ in range(3):
        one, other = await dialling.ear.up(), await listening.ear.up()
        one.send(1, b"%d" % round_)
        assert (await listening.ear.frame()).payload == b"%d" % round_
        network.cut()
        assert (await dialling.ear.down()).reason in (Lost.PEER_CLOSED, Lost.BROKEN)
        await listening.ear.down()
        with pytest.raises(ConnectionLost):
            other.send(1, b"too late")


async def test_a_peer_that_vanished_is_noticed_by_both(nodes: Nodes) -> None:
    timing = Timing(heartbeat=0.02, missed=3, backoff_first=0.001, backoff_most=0.01)
    low, high = nodes.pair()
    listening = await nodes.listening(high, timing)
    network = await nodes.network(listening.link.port)
    dialling = await nodes.dialling(low, network.port, timing)
    await dialling.ear.up()
    await listening.ear.up()
    network.vanish()
    assert (await dialling.ear.down()).reason == Lost.SILENT
    # The listener noticed by itself, or because the dialler came back first.
    assert (await listening.ear.down()).reason in (Lost.SILENT, Lost.REPLACED)
    await dialling.ear.up()
    await listening.ear.up()


async def test_a_listener_that_comes_late_is_found(nodes: Nodes) -> None:
    low, high = nodes.pair()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    dialling = await nodes.dialling(low, port)
    assert (await dialling.ear.refused()).refusal == Refusal.UNREACHABLE
    await nodes.listening(high, port=port)
    await dialling.ear.up()


async def test_a_listener_that_restarts_is_found_again(nodes: Nodes) -> None:
    low, high = nodes.pair()
    first = await nodes.listening(high)
    port = first.link.port
    dialling = await nodes.dialling(low, port)
    await dialling.ear.up()
    await first.link.stop()
    await dialling.ear.down()
    second = await nodes.listening(high, port=port)
    await dialling.ear.up()
    await second.ear.up()


async def test_a_newer_connection_replaces_the_one_before(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    reader, writer = await nodes.raw(low, listening.link.port)
    writer.write(HELLO)
    first = await listening.ear.up()
    _, writer = await nodes.raw(low, listening.link.port)
    writer.write(HELLO + struct.pack(">IB", 2, 5) + b"x")
    assert (await listening.ear.down()).reason == Lost.REPLACED
    second = await listening.ear.up()
    assert listening.link.connection is second is not first
    assert await listening.ear.frame() == (5, b"x")
    assert await reader.read() == HELLO  # and then the end


async def test_of_many_at_once_one_is_live_and_up_and_down_take_turns(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)

    async def connect() -> None:
        _, writer = await nodes.raw(low, listening.link.port)
        writer.write(HELLO)

    await asyncio.gather(*(connect() for _ in range(10)))
    ups = 0
    while ups < 10:
        assert isinstance(await listening.ear.heard.get(), Up)
        ups += 1
        if ups < 10:
            event = await listening.ear.heard.get()
            assert isinstance(event, Down)
            assert event.error.reason == Lost.REPLACED
    assert listening.ear.heard.empty()
    assert listening.link.connection is not None


async def test_an_error_in_the_user_ends_the_connection_not_the_link(nodes: Nodes) -> None:
    class Failing(Ear):
        def on_frame(self, kind: int, payload: bytes) -> None:
            raise KeyError("bug")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    low, high = nodes.pair()
    ear = Failing()
    link = PeerLink(high, ANYWHERE, ANYWHERE, ear, lambda: 0.5, timing=QUICK)
    await link.start()
    dialling = await nodes.dialling(low, link.port)
    one = await dialling.ear.up()
    await ear.up()
    one.send(1, b"boom")
    assert (await ear.down()).reason == Lost.BROKEN
    await ear.up()
    assert any(isinstance(context.get("exception"), KeyError) for context in reported)
    await link.stop()


async def test_a_stopped_link_is_quiet(nodes: Nodes) -> None:
    one, _, dialling, listening = await connected(nodes)
    one.send(1, b"last words")
    await dialling.link.stop()
    assert (await dialling.ear.down()).reason == Lost.CLOSED
    assert (await listening.ear.frame()).payload == b"last words"
    assert (await listening.ear.down()).reason == Lost.PEER_CLOSED
    assert dialling.ear.heard.empty()
    assert dialling.link.connection is None


async def test_a_link_can_be_stopped_while_it_dials(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dialling = await nodes.dialling(low, mute.getsockname()[1])
        accepted, _ = await asyncio.to_thread(mute.accept)
        with accepted:
            await dialling.link.stop()
        assert dialling.ear.heard.empty()


async def test_a_stopped_listener_leaves_no_connection_half_made(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    reader, writer = await nodes.raw(low, listening.link.port)
    assert await reader.readexactly(len(HELLO)) == HELLO
    await listening.link.stop()
    writer.write(HELLO)
    assert await reader.read() == b""
    assert listening.ear.heard.empty()


async def test_a_stopped_dialler_leaves_no_connection_half_made(nodes: Nodes) -> None:
    low, high = nodes.pair()
    greeted = asyncio.Event()
    rest: asyncio.Queue[bytes] = asyncio.Queue()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(HELLO))
        greeted.set()
        rest.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0, ssl=tls(high, server=True))
    dialling = await nodes.dialling(low, server.sockets[0].getsockname()[1])
    await greeted.wait()
    await dialling.link.stop()
    assert await rest.get() == b""
    assert dialling.ear.heard.empty()
    server.close()


async def test_an_unpaired_node_has_no_link(nodes: Nodes) -> None:
    identity = nodes.store().identity()
    with pytest.raises(NotPaired):
        PeerLink(identity, ANYWHERE, ANYWHERE, Ear(), lambda: 0.5)


async def test_a_node_is_not_its_own_peer(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    assert low.pairing is not None
    itself = Identity(low.key, pairing(low.pairing.authority, low, low))
    with pytest.raises(NotPaired, match="copied"):
        PeerLink(itself, ANYWHERE, ANYWHERE, Ear(), lambda: 0.5)


async def test_names_are_not_looked_up(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    with pytest.raises(ValueError, match=r"node-b\.example"):
        PeerLink(low, ANYWHERE, Endpoint("node-b.example:1"), Ear(), lambda: 0.5)
