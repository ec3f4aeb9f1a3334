"""What a check finds out about a server, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from appliance.balance.checks import CheckFailed, check
from appliance.config.balance import Check, ServerSettings
from appliance.config.units import LocalName, NumericEndpoint
from tests.support.patience import patiently
from tests.unit.balance.support import SOURCE, Reader, Talk, Upstream, Writer

GREETING = b"220-b.site.test ESMTP\r\n220 ready\r\n"


def saying(greeting: bytes, goodbye: bytes = b"221 2.0.0 Bye\r\n") -> Talk:
    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(greeting)
        if await reader.readline() == b"QUIT\r\n":
            writer.write(goodbye)

    return talk


async def look(upstream: Upstream, kind: Check) -> None:
    server = ServerSettings(
        name=LocalName("b"),
        address=upstream.settings.address,
        check=kind,
        check_address=upstream.settings.address if kind == "http" else None,
    )
    await patiently(check(server, SOURCE))


async def test_smtp() -> None:
    async with Upstream("b", saying(GREETING)) as upstream:
        await look(upstream, "smtp")
        assert [header.client for header in upstream.headers] == [None]  # LOCAL


@pytest.mark.parametrize(
    "talk, error",
    [
        (saying(b"421 4.3.2 b.site.test is \x1b[2Jfull\r\n"), "greeting: 421 4.3.2 b.site.test is"),
        (saying(b"SSH-2.0-x\r\n"), "greeting: SSH-2.0-x"),
        (saying(b"2200 hello\r\n"), "greeting: 2200 hello"),
        (saying(b"220-x\r\n" * 101), "greeting: it never ends"),
        (saying(b"220 " + b"x" * 5000 + b"\r\n"), "a line of over 4096 bytes"),
        (saying(b"220 x\r\n", b"451 no\r\n"), "reply to QUIT: 451 no"),
        (saying(b"220 x\r\n", b"2"), "it closed the connection"),
    ],
)
async def test_no_smtp(talk: Talk, error: str) -> None:
    async with Upstream("b", talk) as upstream:
        with pytest.raises(CheckFailed) as caught:
            await look(upstream, "smtp")
        assert str(caught.value).startswith(error)
        assert str(caught.value).isprintable()


async def test_tcp() -> None:
    async with Upstream("b", saying(b"whatever")) as upstream:
        await look(upstream, "tcp")
    with pytest.raises(ConnectionRefusedError):
        await look(upstream, "tcp")


class Web:
    """Answers every request with one text."""

    def __init__(self, *answer: bytes) -> None:
        self._answer = answer
        self.asked = b""

    async def _connected(self, reader: Reader, writer: Writer) -> None:
        self.asked = await reader.readuntil(b"\r\n\r\n")
        for piece in self._answer:
            writer.write(piece)
            await asyncio.sleep(0)
        writer.close()

    async def look(self) -> None:
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            wanted = ServerSettings(
                name=LocalName("b"),
                address=NumericEndpoint("127.0.0.1:9"),
                check="http",
                check_address=NumericEndpoint(f"127.0.0.1:{port}"),
            )
            await patiently(check(wanted, SOURCE))


async def test_http() -> None:
    web = Web(b"HT", b"TP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\n{}")
    await web.look()
    assert web.asked.startswith(b"GET /health HTTP/1.0\r\n")


@pytest.mark.parametrize(
    "answer, error",
    [
        ([b"HTTP/1.1 503 x\r\n\r\n", b'{"reason": "disk'], '/health answers 503: {"reason": "disk'),
        ([b"HTTP/1.1 403 x\r\n\r\n"], "/health answers 403: "),
        ([b"HTTP/1.1 2000 x\r\n\r\n"], "no HTTP: "),
        ([b"220 smtp.test\r\n"], "no HTTP: 220 smtp.test"),
        ([b"HTTP/1.1 200 without an end"], "no HTTP: "),
        ([b"\x1b" * 9000], "no HTTP: "),
        ([], "no HTTP: "),
    ],
)
async def test_not_healthy(answer: list[bytes], error: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        await Web(*answer).look()
    assert str(caught.value).startswith(error)
    assert str(caught.value).isprintable()
