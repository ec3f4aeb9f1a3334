"""What the nodes ask of each other over the link, besides replication: frames and who gets them.

Frames of kind ASK that a release does not know are not heard: so these need no agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from appliance.ipc.failover import PeerSwitchover
from appliance.ipc.frames import ConnectionLost
from appliance.link.connection import LinkConnection
from appliance.services.peer_moves import ANSWER, ASK, PeerMoves
from appliance.spool.peer_socket import PeerSocket


class Carried(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """A packet from one control process to the other (`ipc.peer`)."""

    packet: bytes


_ASKED: msgspec.msgpack.Decoder[PeerSwitchover | Carried] = msgspec.msgpack.Decoder(
    PeerSwitchover | Carried
)


class PeerCalls:
    """Sorts the frames that are not the spool's: to `moves`, once there are, and to `control`."""

    def __init__(self, connection: Callable[[], LinkConnection | None]) -> None:
        """`connection`: the link as it is now."""
        self.moves: PeerMoves | None = None
        self.control = PeerSocket(self._carry)
        self._connection = connection

    def send(self, kind: int, payload: bytes) -> bool:
        """Send a frame to the peer at once; False if the link is down."""
        connection = self._connection()
        if connection is None:
            return False
        connection.send(kind, payload)
        return True

    def frame(self, kind: int, payload: bytes) -> None:
        """The peer asks or answers; what it says in the words of a later release is not heard."""
        with suppress(msgspec.DecodeError):
            if kind == ANSWER and self.moves is not None:
                self.moves.answered(payload)
            elif kind == ASK:
                self._asked(_ASKED.decode(payload))

    def _asked(self, wanted: PeerSwitchover | Carried) -> None:
        if isinstance(wanted, Carried):
            self.control.said(wanted.packet)
        elif self.moves is not None:
            self.moves.asked(wanted)

    async def _carry(self, packet: bytes) -> bool:
        connection = self._connection()
        if connection is None:
            return False
        try:
            await connection.wait_writable()
            connection.send(ASK, msgspec.msgpack.encode(Carried(packet)))
        except ConnectionLost:
            return False
        return True
