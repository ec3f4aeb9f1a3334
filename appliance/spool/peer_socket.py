"""The other node's control process as this node's reaches it on the mail socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from appliance.ipc.mail import Call, Durable, PeerCall, PeerLinked, PeerSaid, Said, TellPeerCall
from appliance.ipc.peer import PACKET_LIMIT
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure

Client = Peer[Said, Call]


class PeerSocket:
    """Passes on what control processes say to each other, and understands none of it.

    `send` waits for room on the link, and tells whether there is one.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[bool]]) -> None:
        self._send = send
        self._control: Client | None = None
        self._up = False

    def request(self, peer: Client, call: PeerCall) -> Said | Coroutine[Any, Any, Said]:
        """Answer a call; the last one who watches is control."""
        if isinstance(call, TellPeerCall):
            return self._tell(call)
        self._control = peer
        peer.push(PeerLinked(self._up))
        return Durable()

    def lost(self, peer: Client) -> None:
        """A connection ended."""
        if peer is self._control:
            self._control = None

    async def _tell(self, call: TellPeerCall) -> Said:
        if len(call.packet) > PACKET_LIMIT:
            raise CallFailed(Failure("too large", f"{len(call.packet)} bytes", permanent=True))
        if not await self._send(call.packet):
            raise CallFailed(Failure("link down", "the link to the other node is down"))
        return Durable()

    def linked(self, up: bool) -> None:
        """The link came up or went down."""
        self._up = up
        if self._control is not None:
            self._control.push(PeerLinked(up))

    def said(self, packet: bytes) -> None:
        """A packet came. One that is too much is dropped: it is none of a call that goes well."""
        if self._control is not None and self._control.writable and len(packet) <= PACKET_LIMIT:
            self._control.push(PeerSaid(packet))
