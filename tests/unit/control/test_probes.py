"""Probes against real sockets: greeted, refused, silent, and something that is no SMTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.control.figures import History
from appliance.control.findings import Findings
from appliance.control.probes import Prober, Targets, greets
from tests.support.monitor import MOMENT

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(said: bytes | None) -> AsyncIterator[tuple[str, int]]:
    """Says that, and hears QUIT; None: says nothing."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if said is None:
            await over.wait()
        else:
            writer.write(said)
            if said.startswith(b"2"):
                assert await reader.readline() == b"QUIT\r\n"
                writer.write(b"221 bye\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[:2]
    finally:
        over.set()
        listening.close()


@pytest.mark.parametrize(
    "said, good",
    [
        (b"220 a.site.test ESMTP\r\n", True),
        (b"220-a\r\n220 b\r\n", True),
        (b"421 4.3.2 too many connections\r\n", False),
        (b"554 no\r\n", False),
        (b"", False),
        (b"x" * 5000, False),
        (b"HTTP/1.1 400 what?\r\n", False),
    ],
)
async def test_only_a_greeting_counts(said: bytes, good: bool) -> None:
    async with server(said) as place:
        assert await greets(place, "127.0.0.1", 30.0) is good


async def test_silence_counts_as_none() -> None:
    async with server(None) as place:
        assert not await greets(place, None, 0.05)


async def test_what_is_not_there_counts_as_none() -> None:
    async with server(b"220 x\r\n") as place:
        pass
    assert not await greets(place, None, 30.0)


async def test_what_was_found_is_counted(tmp_path: Path) -> None:
    now = [1000]
    findings = Findings()
    history = History(tmp_path / "history.db", lambda: MOMENT, lambda *told, **more: None)
    async with server(b"220 x\r\n") as up, server(b"421 x\r\n") as down:
        findings.peer_smtp = up
        prober = Prober(
            Targets(down, None, None), findings, history, lambda: now[0], lambda *a, **b: None
        )
        await prober.probe()
        now[0] = 6000
        await prober.probe()
    history.close()
    own, peer, service = (findings.probed[name] for name in ("own", "peer", "service"))
    assert (own.good, own.bad, own.failing) == (0, 2, 5000)
    assert (peer.good, peer.bad, peer.failing) == (2, 0, 0)
    assert (service.good, service.bad) == (2, 0), "clients know both addresses"
