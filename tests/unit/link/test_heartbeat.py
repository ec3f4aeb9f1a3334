"""Heartbeats by hand: a loop and a transport that do nothing by themselves."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.ipc.frames import ConnectionLost, Lost
from appliance.link.certificates import Authority, PrivateKey
from appliance.link.connection import LinkConnection, Refusal, Timing

HELLO = struct.pack(">IB", 16, 0) + b"twinpost link 1"
HEARTBEAT = struct.pack(">IB", 1, 0)


class HandLoop:
    """Runs nothing before it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []
        self.timer: Callable[[], object] | None = None

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], object]) -> HandLoop:
        self.timer = callback
        return self

    def cancel(self) -> None:
        self.timer = None

    def tick(self) -> None:
        """One heartbeat passes."""
        timer, self.timer = self.timer, None
        assert timer is not None
        timer()
        for callback in self.soon:
            callback()
        self.soon.clear()


class Wire:
    """A TLS transport whose other side holds a key."""

    def __init__(self, key: PrivateKey) -> None:
        pem = Authority.create().issue(key.public_key)
        self._certificate = x509.load_pem_x509_certificate(pem.encode())
        self.sent = b""

    def get_extra_info(self, name: str) -> Any:
        return self if name == "ssl_object" else None

    def getpeercert(self, binary_form: bool) -> bytes:
        return self._certificate.public_bytes(Encoding.DER)

    def write(self, data: bytearray) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class Listener:
    def __init__(self) -> None:
        self.said: list[object] = []

    def came_up(self, connection: LinkConnection) -> None:
        self.said.append("up")

    def frame(self, connection: LinkConnection, kind: int, payload: bytes) -> None:
        self.said.append((kind, payload))

    def went_down(self, connection: LinkConnection, error: ConnectionLost) -> None:
        self.said.append(error.reason)

    def refused(self, refusal: Refusal, detail: str) -> None:
        self.said.append(refusal)


class Bench:
    """A connection that came up, with its clock in the test's hands."""

    def __init__(self) -> None:
        key = PrivateKey.generate()
        self.loop = HandLoop()
        self.wire = Wire(key)
        self.owner = Listener()
        self.connection = LinkConnection(
            cast(asyncio.AbstractEventLoop, self.loop), key.public_key, self.owner, Timing(missed=3)
        )
        self.connection.connection_made(cast(asyncio.Transport, self.wire))

    def hear(self, data: bytes) -> None:
        self.connection.get_buffer(-1)[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def tick(self) -> None:
        self.loop.tick()


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.hear(HELLO)
    assert bench.owner.said == ["up"]
    bench.tick()
    bench.wire.sent = b""
    return bench


def test_no_hello_in_time_is_a_refusal() -> None:
    bench = Bench()
    bench.tick()
    assert bench.owner.said == [Refusal.NO_HELLO]


def test_silence_ends_the_connection_after_the_heartbeats_allowed(bench: Bench) -> None:
    bench.tick()
    bench.tick()
    assert bench.owner.said == ["up"]
    bench.tick()
    assert bench.owner.said == ["up", Lost.SILENT]


@pytest.mark.parametrize("heard", [HEARTBEAT, struct.pack(">IB", 5, 1) + b"news", b"\0"])
def test_whatever_is_heard_counts(bench: Bench, heard: bytes) -> None:
    bench.tick()
    bench.tick()
    bench.hear(heard)
    bench.tick()
    bench.tick()
    bench.tick()
    assert Lost.SILENT not in bench.owner.said
    bench.tick()
    assert bench.owner.said[-1] == Lost.SILENT


def test_a_side_that_stopped_reading_hears_nothing_and_knows_why(bench: Bench) -> None:
    bench.connection.pause_reading()
    for _ in range(10):
        bench.tick()
    bench.connection.resume_reading()
    bench.tick()
    bench.tick()
    assert Lost.SILENT not in bench.owner.said
    bench.tick()
    assert bench.owner.said[-1] == Lost.SILENT


def test_a_heartbeat_goes_out_only_when_nothing_else_did(bench: Bench) -> None:
    bench.tick()
    assert bench.wire.sent == HEARTBEAT
    bench.wire.sent = b""
    bench.connection.send(1, b"news")
    bench.tick()
    assert bench.wire.sent == struct.pack(">IB", 5, 1) + b"news"


def test_heartbeats_do_not_pile_up_before_a_slow_reader(bench: Bench) -> None:
    bench.connection.pause_writing()
    bench.tick()
    assert bench.wire.sent == b""


def test_heartbeats_are_not_frames_of_the_user(bench: Bench) -> None:
    bench.hear(HEARTBEAT + struct.pack(">IB", 1, 9))
    assert bench.owner.said == ["up", (9, b"")]
