"""A connection without a network: the test decides what each read brings and what time it is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from appliance.config.limits import Limits
from appliance.smtpd.connection import Connection
from appliance.smtpd.listener import Listener
from appliance.smtpd.proxy import Balancers
from appliance.smtpd.service import Service
from appliance.smtpd.session import Session
from tests.dialogue.intake import MemoryIntake
from tests.dialogue.served import HOSTNAME, NOW, Log, policy


class StoppedClock(asyncio.SelectorEventLoop):
    """A loop whose time passes only when everybody waits: then it jumps to the next timer."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_NoWait(self))

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


class _NoWait(selectors.SelectSelector):
    def __init__(self, loop: StoppedClock) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for nothing"
            self._loop.pass_time(timeout)
        return ready


class Wire(asyncio.Transport):
    """The client's end. It reads nothing while `deaf`."""

    def __init__(self, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(extra or {"peername": ("192.0.2.7", 40000)})
        self.said = b""
        self.ended = ""
        """How the server ended it: eof, close or abort."""
        self.paused = False
        self.deaf = False
        self.session: Session
        self._unread = 0

    # The server's side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "written after the end"
        self.said += data
        self._unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self._unread if self.deaf else 0

    def write_eof(self) -> None:
        assert not self.ended
        self.ended = "eof"

    def close(self) -> None:
        self._end("close")

    def abort(self) -> None:
        self._end("abort")

    def is_closing(self) -> bool:
        return self.ended in ("close", "abort", "lost")

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def _end(self, how: str) -> None:
        lost = how == "abort" or not self.deaf
        if not self.is_closing() or how == "abort":
            self.ended = how
            if lost:
                asyncio.get_running_loop().call_soon(self.session.connection_lost, None)

    # The client's side

    async def send(self, *pieces: bytes) -> None:
        """Each piece is one read of the server."""
        for piece in pieces:
            if self.is_closing():
                return
            self.session.data_received(piece)
            await settle()

    async def leave(self) -> None:
        """The client closes its side."""
        if not self.is_closing() and not self.session.eof_received():
            self.close()
        await settle()

    async def vanish(self) -> None:
        """The connection breaks."""
        if not self.is_closing():
            self.ended = "lost"
            self.session.connection_lost(ConnectionResetError())
        await settle()


async def settle() -> None:
    """Let everything run that can without time passing."""
    for _ in range(25):
        await asyncio.sleep(0)


class Bench:
    """A service without a server."""

    def __init__(
        self,
        limits: Limits | None = None,
        intake: MemoryIntake | None = None,
        relay: Sequence[str] = (),
    ) -> None:
        self.intake = intake or MemoryIntake()
        self.log = Log()
        self.limits = limits or Limits()
        self.service = Service(
            HOSTNAME, self.limits, policy(relay), self.intake, self.log, lambda: NOW
        )
        self.connections: set[Connection] = set()

    async def connect(
        self,
        wire: Wire | None = None,
        balancers: Balancers | None = None,
        listener: Listener | None = None,
    ) -> Wire:
        wire = wire or Wire()
        wire.session = Session(
            self.service,
            self.connections,
            asyncio.get_running_loop(),
            listener or Listener(balancers=balancers),
        )
        wire.session.connection_made(wire)
        await settle()
        return wire


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run `test` in a loop with a stopped clock."""
    loop = StoppedClock()
    try:
        loop.run_until_complete(_checked(test))
    finally:
        loop.close()


async def _checked(test: Callable[[], Awaitable[None]]) -> None:
    await test()
    await settle()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, f"still running: {others}"
