"""One call between the nodes as either side has it: one part after the other."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from appliance.control.peer_line import LinkDown, PeerLine
from appliance.ipc.peer import Ended, Heard, Packet
from appliance.mail.views import Unavailable

P = TypeVar("P", bound=Packet)

_HEARD = 10.0
"""Seconds until a part is heard: whoever gets it has only to note it."""
_TAKEN = 120.0
"""Seconds until a part of an answer is, which goes on to somebody who may read slowly."""


class Exchange:
    """Says and hears parts of the call `id`. Raises Unavailable, LinkDown among it."""

    def __init__(self, line: PeerLine, id_: bytes) -> None:
        self.id = id_
        self.over = False
        """The other side has no more to do with it."""
        self._line = line
        # Two: a part, and that the call is at an end. More is sent by none that keeps the rules.
        self._inbox: asyncio.Queue[Packet | None] = asyncio.Queue(2)

    def put(self, packet: Packet | None) -> None:
        """A packet of the call came; None: the link went down."""
        if packet is None or isinstance(packet, Ended):
            self.over = True
        if self._inbox.full():
            if not self.over:
                return
            self._inbox.get_nowait()
        self._inbox.put_nowait(packet)

    async def ask(self, packet: Packet) -> None:
        """Send a part of what is asked; return when it was heard."""
        await self._line.send(packet)
        await self.hear(Heard, _HEARD)

    async def answer(self, packet: Packet) -> None:
        """Send a part of the answer; return when it was taken."""
        await self._line.send(packet)
        await self.hear(Heard, _TAKEN)

    async def hear(self, wanted: type[P], patience: float) -> P:
        """The next packet, which must be a `wanted`."""
        try:
            async with asyncio.timeout(patience):
                packet = await self._inbox.get()
        except TimeoutError:
            hint = "look at `twinpost status` there; both nodes need the same release"
            raise Unavailable("the other node does not answer", hint) from None
        if packet is None:
            raise LinkDown("the link to the other node went down meanwhile")
        if isinstance(packet, Ended):
            raise Unavailable(f"the other node gave up: {packet.why}", "try again")
        if not isinstance(packet, wanted):
            raise Unavailable("the other node said what makes no sense", "try again")
        return packet

    def go_on(self) -> None:
        """The last part is done with: the next one may come."""
        self._line.tell(Heard(self.id))

    def end(self, why: str) -> None:
        """Have no more to do with it."""
        if not self.over:
            self.over = True
            self._line.tell(Ended(self.id, why))
