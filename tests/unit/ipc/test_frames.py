"""The framing alone: bytes in, frames out, whatever the boundaries."""

from __future__ import annotations

import asyncio
import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ipc.frames import ConnectionLost, FrameProtocol, FrameTooLarge, Lost

LIMIT = 1_000_000


class Frames(FrameProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = LIMIT) -> None:
        super().__init__(loop, limit)
        self.frames: list[bytes] = []
        self.ends: list[ConnectionLost] = []

    def frame_received(self, body: memoryview) -> None:
        self.frames.append(bytes(body))

    def lost(self, error: ConnectionLost) -> None:
        self.ends.append(error)

    def send(self, body: bytes) -> None:
        start = self._frame_begun()
        self._out += b"\0\0\0\0" + body
        self._frame_ended(start)

    def feed(self, data: bytes, step: int) -> None:
        """What a loop does when `data` arrives in pieces of at most `step` bytes."""
        while data and not self.ends:
            room = self.get_buffer(-1)
            count = min(len(room), step, len(data))
            room[:count] = data[:count]
            del room
            data = data[count:]
            self.buffer_updated(count)


class Wire:
    """The transport's side: what was written, in which calls."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.ended = ""

    def write(self, data: bytearray) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.ended = "aborted"

    def close(self) -> None:
        self.ended = "closed"


def framed(*bodies: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


def connected(protocol: Frames) -> Wire:
    wire = Wire()
    protocol.connection_made(cast(asyncio.Transport, wire))
    return wire


@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 5, 4096, 262_139, 262_140, 262_141, 700_000])),
    step=st.sampled_from([4093, 65_536, 262_144, 1_000_000]),
)
def test_frames_arrive_whole_whatever_the_boundaries(sizes: list[int], step: int) -> None:
    loop = asyncio.new_event_loop()
    try:
        protocol = Frames(loop)
        connected(protocol)
        bodies = [bytes([index % 251]) * size for index, size in enumerate(sizes)]
        protocol.feed(framed(*bodies), step)
        assert protocol.frames == bodies
        assert len(protocol.get_buffer(-1)) == 262_144  # a large frame's buffer isn't kept
    finally:
        loop.close()


@given(data=st.binary(max_size=200))
def test_any_bytes_one_at_a_time_do_what_they_do_at_once(data: bytes) -> None:
    loop = asyncio.new_event_loop()
    try:
        outcomes = []
        for step in (1, 1000):
            protocol = Frames(loop, limit=50)
            connected(protocol)
            protocol.feed(data, step)
            outcomes.append((protocol.frames, [end.reason for end in protocol.ends]))
        assert outcomes[0] == outcomes[1]
    finally:
        loop.close()


async def test_an_oversized_frame_is_refused_by_its_length_alone() -> None:
    protocol = Frames(asyncio.get_running_loop(), limit=100)
    wire = connected(protocol)
    protocol.feed(framed(b"x" * 100) + struct.pack(">I", 101), 1000)
    assert protocol.frames == [b"x" * 100]
    assert [end.reason for end in protocol.ends] == [Lost.OVERSIZED]
    assert wire.ended == "aborted"


async def test_frames_of_one_tick_leave_in_one_write() -> None:
    protocol = Frames(asyncio.get_running_loop())
    wire = connected(protocol)
    bodies = [b"%d" % number for number in range(50)]
    for body in bodies:
        protocol.send(body)
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [framed(*bodies)]


async def test_much_at_once_leaves_before_the_tick_ends() -> None:
    protocol = Frames(asyncio.get_running_loop())
    wire = connected(protocol)
    protocol.send(b"a" * 200_000)
    protocol.send(b"b" * 200_000)
    assert len(wire.writes) == 1


async def test_a_frame_over_the_limit_is_not_sent_and_harms_no_other() -> None:
    protocol = Frames(asyncio.get_running_loop(), limit=100)
    wire = connected(protocol)
    protocol.send(b"before")
    with pytest.raises(FrameTooLarge):
        protocol.send(b"x" * 101)
    protocol.send(b"after")
    await asyncio.sleep(0)
    assert b"".join(wire.writes) == framed(b"before", b"after")


async def test_close_sends_what_was_sent_before_and_ends_once() -> None:
    protocol = Frames(asyncio.get_running_loop())
    wire = connected(protocol)
    protocol.send(b"last words")
    protocol.close()
    protocol.fail(Lost.BROKEN)
    protocol.connection_lost(None)
    assert wire.writes == [framed(b"last words")]
    assert wire.ended == "closed"
    assert [end.reason for end in protocol.ends] == [Lost.CLOSED]
    with pytest.raises(ConnectionLost):
        protocol.send(b"too late")
    with pytest.raises(ConnectionLost):
        await protocol.wait_writable()


async def test_what_comes_in_after_closing_is_dropped() -> None:
    protocol = Frames(asyncio.get_running_loop())
    connected(protocol)
    protocol.feed(struct.pack(">I", LIMIT), 1000)
    protocol.close()
    for _ in range(100):
        room = len(protocol.get_buffer(-1))
        assert room > 0
        protocol.buffer_updated(room)
    assert protocol.frames == []


async def test_waiting_writers_go_on_when_the_other_side_reads_again() -> None:
    protocol = Frames(asyncio.get_running_loop())
    connected(protocol)
    protocol.pause_writing()
    assert not protocol.writable
    waiting = asyncio.create_task(protocol.wait_writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    protocol.resume_writing()
    await waiting


async def test_waiting_writers_hear_of_the_end() -> None:
    protocol = Frames(asyncio.get_running_loop())
    connected(protocol)
    protocol.pause_writing()
    waiting = asyncio.create_task(protocol.wait_writable())
    await asyncio.sleep(0)
    protocol.connection_lost(ConnectionResetError("gone"))
    with pytest.raises(ConnectionLost, match="gone"):
        await waiting


async def test_an_end_in_the_middle_of_a_frame_is_told_apart() -> None:
    protocol = Frames(asyncio.get_running_loop())
    connected(protocol)
    protocol.feed(framed(b"whole", b"cut off")[:-1], 1000)
    protocol.connection_lost(None)
    assert protocol.frames == [b"whole"]
    assert protocol.ends[0].reason == Lost.PEER_CLOSED
    assert protocol.ends[0].detail == "in the middle of a frame"
