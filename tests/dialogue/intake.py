"""An intake that keeps what it is given, and can be told to refuse, to fail or to take its time."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId, queue_id
from appliance.smtpd.intake import BodyWriter

TAG = "TESTTESTXX"


@dataclass(frozen=True)
class Taken:
    """A message that got its 250."""

    queue_id: QueueId
    envelope: Envelope
    content: bytes
    streamed: bool
    held: bool = False

    @property
    def text(self) -> bytes:
        """The content without the Received field the server put in front."""
        assert self.content.startswith(b"Received: from ")
        return self.content[self.content.index(b" +0000\r\n") + 8 :]


class Body:
    """A body written so far."""

    def __init__(self, intake: MemoryIntake) -> None:
        self.chunks: list[bytes] = []
        self._intake = intake

    async def write(self, chunk: bytes) -> None:
        await self._intake.pause("write")
        self.chunks.append(chunk)

    async def abort(self) -> None:
        self._intake.open_bodies.remove(self)


@dataclass(eq=False)
class MemoryIntake:
    """Steps "available", "accept", "open_body" and "write" can be made to raise or to wait."""

    inline_limit: int = 256 << 10
    taken: list[Taken] = field(default_factory=list)
    open_bodies: list[Body] = field(default_factory=list)
    raising: dict[str, Exception] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    minted: int = 0

    def available(self) -> None:
        if "available" in self.raising:
            raise self.raising["available"]

    def new_queue_id(self) -> QueueId:
        self.minted += 1
        return queue_id(TAG, self.minted)

    async def accept(
        self, queue_id: QueueId, envelope: Envelope, content: bytes, hold: bool
    ) -> None:
        await self.pause("accept")
        self.taken.append(Taken(queue_id, envelope, content, streamed=False, held=hold))

    async def open_body(self, queue_id: QueueId) -> BodyWriter:
        await self.pause("open_body")
        body = Body(self)
        self.open_bodies.append(body)
        return body

    async def accept_body(
        self, queue_id: QueueId, envelope: Envelope, body: BodyWriter, hold: bool
    ) -> None:
        assert isinstance(body, Body)
        await self.pause("accept")
        self.open_bodies.remove(body)
        self.taken.append(
            Taken(queue_id, envelope, b"".join(body.chunks), streamed=True, held=hold)
        )

    async def pause(self, step: str) -> None:
        if step in self.gates:
            await self.gates[step].passed()
        if step in self.raising:
            raise self.raising[step]


class Gate:
    """Holds a step until it is opened, from whatever thread."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._opened: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        self._open.set()
        if self._loop is not None and self._opened is not None:
            self._loop.call_soon_threadsafe(self._opened.set)

    async def passed(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self.reached.set()
        if not self._open.is_set():
            await self._opened.wait()
