"""Large messages and many slow clients cost little memory and keep nobody waiting."""

from __future__ import annotations

import socket
import tracemalloc

import pytest

from appliance.config.limits import Limits
from appliance.config.units import Size
from tests.dialogue.intake import Gate, MemoryIntake
from tests.dialogue.served import Client, serving

MIB = 1 << 20
HALF_A_MESSAGE = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@site.test>\r\nDATA\r\nhalf"


class Drain(MemoryIntake):
    """Counts the bytes of bodies, keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    async def pause(self, step: str) -> None:
        await super().pause(step)
        for body in self.open_bodies:
            self.length += sum(map(len, body.chunks))
            body.chunks.clear()


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 52428800 LAST\r\n"])
def test_a_message_of_50_mib_costs_at_most_8(command: bytes) -> None:
    intake = Drain()
    block = (b"x" * 1022 + b"\r\n") * 64
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        client.begin()
        client.send(command)
        if command == b"DATA\r\n":
            assert client.reply().startswith("354")
        tracemalloc.start()
        try:
            for _ in range(50 * MIB // len(block)):
                client.send(block)
            if command == b"DATA\r\n":
                client.send(b".\r\n")
            assert client.reply().startswith("250 2.0.0 Ok: queued as")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8 * MIB
        assert intake.length > 49 * MIB


def test_a_client_faster_than_the_disk_is_held_back() -> None:
    gate = Gate()
    intake = MemoryIntake(gates={"write": gate})
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.ask("DATA").startswith("354")
        client.socket.setblocking(False)
        tracemalloc.start()
        try:
            sent = fill(client, 50 * MIB)
            assert gate.reached.wait(30)
            sent += fill(client, 50 * MIB - sent)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        # The kernels' buffers are full by now; what the server took is little.
        assert sent < 50 * MIB
        assert held < 2 * MIB
        gate.open()
        client.socket.settimeout(30)
        client.send(b"\r\n.\r\n")
        assert client.reply().startswith("250 ")
        assert len(intake.taken[0].text) >= sent


def fill(client: Client, most: int) -> int:
    """Send lines until the connection takes no more, or `most` bytes."""
    sent = 0
    block = b"x" * 998 + b"\r\n"
    while sent < most:
        at = sent % len(block)
        try:
            sent += client.socket.send(block[at:] + block * 64)
        except BlockingIOError:
            break
    return sent


def test_500_slow_clients_cost_little_and_keep_nobody_waiting() -> None:
    with serving(Limits(connections=600, connections_per_client=600)) as served:
        address = served.server.addresses[0]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            slow = [socket.create_connection(address, 30) for _ in range(500)]
            for number, client in enumerate(slow):
                client.recv(100)  # the greeting
                client.sendall(HALF_A_MESSAGE if number % 2 else b"EHLO sl")
            with served.client() as prompt:
                prompt.greet()
                prompt.begin()
                assert prompt.data(b"prompt\r\n").startswith("250 ")
            cost = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert cost / 500 < 24 << 10  # both ends of each connection
        for client in slow:
            client.close()
        assert [taken.text for taken in served.intake.taken] == [b"prompt\r\n"]


def test_a_body_is_dropped_once_it_is_refused() -> None:
    intake = MemoryIntake()
    with serving(Limits(message_size=Size(MIB)), intake) as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.ask("DATA").startswith("354")
        client.send((b"x" * 998 + b"\r\n") * 2000)
        client.send(b".\r\n")
        assert client.reply().startswith("552 5.3.4 ")
        assert not intake.open_bodies
