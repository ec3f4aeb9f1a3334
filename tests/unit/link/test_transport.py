"""Links between two paired nodes: frames, flow, who dials whom."""

from __future__ import annotations

import asyncio
import socket

import pytest

from appliance.ipc.frames import ConnectionLost, FrameTooLarge, Lost
from appliance.link.connection import PAYLOAD_LIMIT
from tests.unit.link.joined import connected, linked
from tests.unit.link.nodes import Nodes


async def test_frames_go_both_ways_in_order(nodes: Nodes) -> None:
    one, other, dialling, listening = await connected(nodes)
    for number in range(100):
        one.send(1, b"%d" % number)
        other.send(255, b"%d" % number)
    for number in range(100):
        assert await listening.ear.frame() == (1, b"%d" % number)
        assert await dialling.ear.frame() == (255, b"%d" % number)


async def test_the_node_with_the_lower_id_dials(nodes: Nodes) -> None:
    dialling, listening = await linked(nodes)
    assert dialling.link.dials
    assert not listening.link.dials
    assert await dialling.ear.up() is dialling.link.connection


async def test_the_largest_payload_passes_and_a_larger_one_stays_here(nodes: Nodes) -> None:
    one, _, _, listening = await connected(nodes)
    with pytest.raises(FrameTooLarge):
        one.send(7, bytes(PAYLOAD_LIMIT + 1))
    one.send(7, bytes(PAYLOAD_LIMIT))
    one.send(8, b"")
    assert await listening.ear.frame() == (7, bytes(PAYLOAD_LIMIT))
    assert await listening.ear.frame() == (8, b"")


@pytest.mark.parametrize("kind", [0, 256, -1])
async def test_kinds_of_the_link_itself_cannot_be_sent(nodes: Nodes, kind: int) -> None:
    one, *_ = await connected(nodes)
    with pytest.raises(ValueError, match="no kind of frame"):
        one.send(kind, b"")


async def test_a_slow_reader_holds_the_sender_up_and_lets_it_go_on(nodes: Nodes) -> None:
    one, other, _, listening = await connected(nodes)
    other.pause_reading()
    sent = 0
    while one.writable:
        one.send(1, bytes(65536))
        sent += 1
        assert sent < 1000, "never held up"
        await asyncio.sleep(0)
    assert one.unsent > 0
    waiting = asyncio.create_task(one.wait_writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    other.resume_reading()
    await waiting
    for _ in range(sent):
        assert len((await listening.ear.frame()).payload) == 65536


async def test_a_writer_held_up_hears_of_the_end(nodes: Nodes) -> None:
    one, other, _, _ = await connected(nodes)
    other.pause_reading()
    while one.writable:
        one.send(1, bytes(65536))
        await asyncio.sleep(0)
    waiting = asyncio.create_task(one.wait_writable())
    await asyncio.sleep(0)
    other.fail(Lost.BROKEN)
    with pytest.raises(ConnectionLost):
        await waiting
    with pytest.raises(ConnectionLost):
        one.send(1, b"")


async def test_it_dials_from_the_address_it_is_told(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    await nodes.dialling(low, listening.link.port, source="127.0.0.11")
    connection = await listening.ear.up()
    assert connection.peer_address == "127.0.0.11"


async def test_both_sides_tell_the_kernel_to_be_quick_and_watchful(nodes: Nodes) -> None:
    one, other, _, _ = await connected(nodes)
    for connection in (one, other):
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = {
            name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_NODELAY", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "TCP_KEEPIDLE")
        }
        assert options == {
            "TCP_NODELAY": 1,
            "TCP_USER_TIMEOUT": 8000,
            "TCP_NOTSENT_LOWAT": 131072,
            "TCP_KEEPIDLE": 2,
        }
