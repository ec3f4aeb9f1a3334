"""Two control processes that reach each other as on two nodes; the link between them is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from appliance.control.listen import serving
from appliance.control.own_api import OwnApi
from appliance.control.peer import Peer
from appliance.control.peer_api import PeerApi
from appliance.control.peer_desk import PeerDesk
from appliance.control.peer_line import PeerLine
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import SERVER_CODEC, Call, Said, TellPeerCall, WatchPeerCall
from appliance.ipc.server import Peer as IpcClient
from appliance.ipc.server import serve
from appliance.spool.peer_socket import PeerSocket
from tests.support.operators import Door


class MailSide:
    """A mail process of which nothing works but what concerns the peer."""

    def __init__(self) -> None:
        self.socket = PeerSocket(self._send)
        self.other: MailSide | None = None
        self.sent: list[bytes] = []

    def connect(self, other: MailSide | None) -> None:
        """Link it to another one, or end the link."""
        self.other = other
        self.socket.linked(other is not None)

    async def _send(self, packet: bytes) -> bool:
        if self.other is None:
            return False
        self.sent.append(packet)
        self.other.socket.said(packet)
        return True

    def connected(self, peer: IpcClient[Said, Call]) -> None: ...

    def lost(self, peer: IpcClient[Said, Call], error: ConnectionLost) -> None:
        self.socket.lost(peer)

    def pushed(self, peer: IpcClient[Said, Call], message: Call) -> None: ...

    def request(
        self, peer: IpcClient[Said, Call], message: Call
    ) -> Said | Coroutine[Any, Any, Said]:
        assert isinstance(message, WatchPeerCall | TellPeerCall)
        return self.socket.request(peer, message)


@dataclass
class Side:
    """One node's control process."""

    folder: Path
    mail: MailSide = field(default_factory=MailSide)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.path = self.folder / "control.sock"
        door = Door()
        self.handlers = door.handlers
        self.line = PeerLine(self.folder / "mail.sock")
        self.own = OwnApi(self.path, door.vouchers)
        self.peer = Peer(self.line, PeerDesk(self.line, self.own))
        PeerApi(self.peer).add_to(self.handlers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.start_mail()
        async with (
            self.line.followed(),
            serving(self.handlers.application, self.path, web.Application(), []),
        ):
            yield
        await self.own.close()
        self.stop_mail()

    async def start_mail(self) -> None:
        """Serve its mail socket."""
        self._server = await serve(self.folder / "mail.sock", SERVER_CODEC, self.mail)

    def stop_mail(self) -> None:
        """Its mail process ends."""
        self._server.close()

    async def linked(self) -> None:
        """Return when its control process knows of the link."""
        async with asyncio.timeout(30):
            while True:
                if self.line.up:
                    return
                await asyncio.sleep(0.005)


@asynccontextmanager
async def two(a: Side, b: Side) -> AsyncIterator[None]:
    """Both run, and are linked."""
    async with AsyncExitStack() as stack:
        for side in (a, b):
            await stack.enter_async_context(side.running())
        a.mail.connect(b.mail)
        b.mail.connect(a.mail)
        await a.linked()
        await b.linked()
        yield
