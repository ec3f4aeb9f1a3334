"""The way to the other node's control process: over the mail socket, and the mail's link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from appliance.ipc.client import Client, connect
from appliance.ipc.mail import (
    CLIENT_CODEC,
    Call,
    Durable,
    PeerLinked,
    PeerSaid,
    Said,
    TellPeerCall,
    WatchPeerCall,
)
from appliance.ipc.peer import Packet, decode, encode
from appliance.ipc.wire import CallFailed
from appliance.mail.views import Unavailable

_RETRY = 0.2
"""Seconds until the next try to connect."""
DOWN = "the link to the other node is down"
_HINT = "see `twinpost status` on both nodes; what concerns the other node can be done there"


class LinkDown(Unavailable):
    """Nothing can be said to the other node now."""

    def __init__(self, what: str = DOWN) -> None:
        super().__init__(what, _HINT)


class PeerLine:
    """Sends and gets packets while it is `followed`.

    `heard` gets each packet, `went_down` is called when what was under way is lost.
    """

    def __init__(self, path: Path) -> None:
        self.up = False
        self.heard: Callable[[Packet], None] = lambda packet: None
        self.went_down: Callable[[], None] = lambda: None
        self._path = path
        self._client: Client[Call, Said] | None = None

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Keep a connection to the mail process as long as this lasts."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run())
            try:
                yield
            finally:
                task.cancel()

    async def _run(self) -> None:
        while True:
            lost = asyncio.Event()
            try:
                client = await connect(
                    self._path,
                    CLIENT_CODEC,
                    on_push=self._pushed,
                    on_lost=lambda error, lost=lost: lost.set(),  # type: ignore[misc]
                )
            except OSError:
                await asyncio.sleep(_RETRY)
                continue
            self._client = client
            try:
                await client.request(WatchPeerCall(), Durable)
                await lost.wait()
            except (OSError, CallFailed):
                await asyncio.sleep(_RETRY)
            finally:
                self._client = None
                client.close()
                self._linked(False)

    async def send(self, packet: Packet) -> None:
        """Return when the packet is on its way; raises LinkDown."""
        if self._client is None or not self.up:
            raise LinkDown
        try:
            await self._client.request(TellPeerCall(encode(packet)), Durable)
        except (OSError, CallFailed) as error:
            raise LinkDown from error

    def tell(self, packet: Packet) -> None:
        """Send it if that can be done; never waits."""
        if self._client is not None and self.up:
            try:
                sent = self._client.call(TellPeerCall(encode(packet)), Durable)
            except OSError:
                return
            sent.add_done_callback(lambda future: future.cancelled() or future.exception())

    def _pushed(self, said: Said) -> None:
        if isinstance(said, PeerLinked):
            self._linked(said.up)
        elif isinstance(said, PeerSaid):
            try:
                packet = decode(said.packet)
            except msgspec.DecodeError:
                return  # of a later release
            self.heard(packet)

    def _linked(self, up: bool) -> None:
        if self.up and not up:
            self.up = False
            self.went_down()
        self.up = up
