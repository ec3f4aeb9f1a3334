"""A data directory with nothing but a spool, and the real search process on it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from appliance.ipc.client import connect
from appliance.ipc.search import (
    CLIENT_CODEC,
    FindCall,
    Page,
    SearchPage,
    SearchView,
    Status,
    StatusCall,
)
from appliance.ipc.wire import CallFailed
from appliance.services.process import SUPERVISOR

_NODE = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["127.0.0.1:2525"]
[link]
listen = "127.0.0.1:2526"
pairing = "127.0.0.1:2527"
"""
_SITE = 'domains = ["site.test"]\n[users.postmaster]\n'
_LOOK_EVERY = 0.05
T = TypeVar("T")


class SearchNode:
    """The search process of the node in `data`; the test's process ends it when it leaves."""

    def __init__(self, data: Path, patience: float = 60.0) -> None:
        self.data = data
        self.spool = data / "spool"
        self.index = data / "index"
        self._socket = data / "run" / "search.sock"
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        data.mkdir(parents=True, exist_ok=True)
        (data / "node.toml").write_text(_NODE)
        (data / "site.toml").write_text(_SITE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it need not answer yet."""
        with open(self.data / "search.out", "ab") as log:
            service = ["-m", "appliance.cli", "service", "search", "--data", str(self.data)]
            self._process = subprocess.Popen(
                [sys.executable, "-P", *service],
                stdout=log,
                stderr=log,
                env={**os.environ, SUPERVISOR: str(os.getpid())},
            )

    def kill(self) -> None:
        """kill -9, and its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def alive_for(self, seconds: float) -> None:
        """Let it run for a while; it must not end by itself."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"exit code {self._process.wait(seconds)}: {self.told()}")

    def told(self) -> str:
        """The end of its log."""
        return (self.data / "search.out").read_text()[-2000:]

    async def find(self, query: str, limit: int = 200, after: str = "") -> SearchPage:
        """Ask, waiting until it answers."""
        return await self._asked(lambda: self._find(query, limit, after))

    async def view(self) -> SearchView:
        """How the index is, waiting until it answers."""
        return await self._asked(self._view)

    async def until(self, holds: Callable[[SearchView], bool]) -> SearchView:
        """Wait for a state of the index."""
        async with asyncio.timeout(self._patience):
            while not holds(view := await self.view()):
                self.alive_for(_LOOK_EVERY)
        return view

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._patience):
            while True:
                try:
                    return await ask()
                except (OSError, CallFailed):
                    self.alive_for(_LOOK_EVERY)

    async def _find(self, query: str, limit: int, after: str) -> SearchPage:
        client = await connect(self._socket, CLIENT_CODEC)
        try:
            return (await client.request(FindCall(query, limit, after), Page)).page
        finally:
            client.close()

    async def _view(self) -> SearchView:
        client = await connect(self._socket, CLIENT_CODEC)
        try:
            return (await client.request(StatusCall(), Status)).view
        finally:
            client.close()
