"""Listeners of the page: TLS, a certificate that changes, an end for every connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.account import listeners
from appliance.account.listeners import Listeners, changing
from appliance.balance.listen import listening_socket
from appliance.config.units import Endpoint
from appliance.monitor.events import Event
from tests.support.patience import patiently
from tests.support.trust import server


def silent(event: Event, queue_id: str = "", **values: object) -> None: ...


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest_asyncio.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    application = web.Application()
    application.add_routes([web.get("/", hello)])
    found = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await found.setup()
    yield found
    await found.cleanup()
    for _ in range(5):  # let the loop close what was told to close
        await asyncio.sleep(0)


async def certificate(port: int, host: str = "", cipher: str = "DEFAULT") -> bytes:
    """The server's, as a client gets it that trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(cipher)
    if cipher != "DEFAULT":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


async def test_the_next_connection_gets_the_new_certificate(runner: web.AppRunner) -> None:
    current = server("one.test")
    page = Listeners(runner, listening_socket, silent, changing(lambda: current))
    wanted = Endpoint("127.0.0.1:0")
    await page.listen(wanted)
    port = page.listening[wanted][1]
    first = await certificate(port)
    assert first == await certificate(port, "mail.site.test")
    current = server("two.test")
    assert first != (second := await certificate(port))
    assert second == await certificate(port, "mail.site.test")
    page.close()
    assert not page.listening


async def test_what_is_weak_is_refused(runner: web.AppRunner) -> None:
    context = server("one.test")
    page = Listeners(runner, listening_socket, silent, changing(lambda: context))
    wanted = Endpoint("127.0.0.1:0")
    await page.listen(wanted)
    port = page.listening[wanted][1]
    assert await certificate(port, cipher="ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await certificate(port, cipher="ECDHE-ECDSA-AES128-SHA256")
    page.close()


@pytest.mark.parametrize(
    "limit, value", [("_LIFE", 0.0), ("_CROWD", 0)], ids=["too long", "too many"]
)
async def test_whoever_only_sits_there_is_sent_away(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(listeners, limit, value)
    plain = Listeners(runner, listening_socket, silent)
    wanted = Endpoint("127.0.0.1:0")
    await plain.listen(wanted)
    reader, writer = await asyncio.open_connection(*plain.listening[wanted])
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert await patiently(_rest(reader)) == b""
    writer.close()
    plain.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
