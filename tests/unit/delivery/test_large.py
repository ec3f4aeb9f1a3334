"""A 50 MiB message costs little memory, however slowly the next hop reads."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from time import monotonic
from typing import cast

from appliance.config.delivery import DeliverySettings
from appliance.delivery.content import Content
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector
from appliance.mail.queue_id import QueueId
from appliance.mail.route import NextHop
from appliance.mail.work import AttemptId, Lease, LeasedRecipient, Result
from tests.support.nameserver import WITHOUT_DNS
from tests.support.trust import Trusting
from tests.support.work import envelope

BLOCK = (b"." * 62 + b"\r\n") * 1024
BLOCKS = 800
SIZE = BLOCKS * len(BLOCK)


class Generated:
    """50 MiB that exist nowhere."""

    def read(self, queue_id: QueueId) -> None:
        return None

    def chunks(self, queue_id: QueueId, size: int = 65536) -> Iterator[bytes]:
        for _ in range(BLOCKS):
            yield bytes(BLOCK)


class Counting(asyncio.Protocol):
    """Answers as a server does and throws the content away, a little at a time."""

    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._in_data = False
        self._tail = b""
        self._transport.write(b"220 count.test\r\n")

    def data_received(self, data: bytes) -> None:
        if self._in_data:
            type(self).received += len(data)
            self._tail = (self._tail + data)[-5:]
            if self._tail == b"\r\n.\r\n":
                self._in_data = False
                self._transport.write(b"250 ok\r\n")
            else:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._transport.resume_reading)
        elif data.startswith(b"EHLO"):
            self._transport.write(b"250-count.test\r\n250 8BITMIME\r\n")
        elif data.startswith(b"DATA"):
            self._in_data = True
            self._transport.write(b"354 go\r\n")
        else:
            self._transport.write(b"250 ok\r\n")


async def test_fifty_mebibytes_in_eight() -> None:
    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connector = Connector(
        "node.test", DeliverySettings(), HostsFile(), WITHOUT_DNS, Trusting(), monotonic
    )
    session = await connector.connect([NextHop("127.0.0.1", port)])
    attempt = AttemptId(b"i" * 16, 1)
    recipient = LeasedRecipient(0, "b@to.test", 0)
    large = Lease(
        attempt, QueueId("Q"), envelope("a@from.test", "b@to.test"), (recipient,), SIZE, 0
    )
    tracemalloc.start()
    try:
        content = Content(Generated(), large.queue_id)
        done = await session.send(large, [recipient], content, lambda: True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    session.quit()
    server.close()
    await server.wait_closed()
    assert [e.result for e in done.endings] == [Result.DELIVERED]
    assert Counting.received == SIZE + BLOCKS * 1024 + len(b".\r\n")
    assert peak < 8 << 20
