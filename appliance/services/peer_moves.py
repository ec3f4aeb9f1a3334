"""A switchover asked for on the node that does not have the address: done by the other one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from appliance.control.moves import Failover, leave
from appliance.ipc.failover import PeerAnswer, PeerSwitchover
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.spool.spool import Spool

ASK, ANSWER = 3, 4
"""Kinds of link frame; those below are the spool's."""

_ANSWERED = msgspec.msgpack.Decoder(PeerAnswer)
_BY = "the other node"


class PeerMoves:
    """Carries switchovers over the link, either way.

    `send` puts a frame on the link and tells whether there is one; `answer` gets what the peer
    said. One at a time is carried out for the peer.
    """

    def __init__(
        self,
        failover: Failover,
        spool: Spool,
        send: Callable[[int, bytes], bool],
        answer: Callable[[PeerAnswer], None],
    ) -> None:
        self._failover = failover
        self._spool = spool
        self._send = send
        self._answer = answer
        self._moving: asyncio.Task[None] | None = None

    async def hand_over(self, patience: int, by: str) -> None:
        """Give the peer everything within `patience` ms; raises Refused."""
        await self._spool.hand_over(patience)

    def ask(self, wanted: PeerSwitchover) -> None:
        """Have the peer do it; `answer` is called, now or later, unless the link is lost."""
        if not self._send(ASK, msgspec.msgpack.encode(wanted)):
            error, hint = "the link to the other node is down", "run it there"
            self._answer(PeerAnswer(wanted.number, "", error, hint))

    def answered(self, payload: bytes) -> None:
        """The peer answers; raises msgspec.DecodeError."""
        self._answer(_ANSWERED.decode(payload))

    def asked(self, wanted: PeerSwitchover) -> None:
        """The peer asks."""
        if self._moving is not None and not self._moving.done():
            self._reply(PeerAnswer(wanted.number, "", "another move is under way", "try again"))
            return
        self._moving = asyncio.get_running_loop().create_task(self._move(wanted))

    async def _move(self, wanted: PeerSwitchover) -> None:
        try:
            text = await leave(self._failover, self, wanted.vrid, wanted.force, _BY)
        except Refused as error:
            answer = PeerAnswer(wanted.number, "", error.reply.text, error.hint)
        except Unavailable as error:
            answer = PeerAnswer(wanted.number, "", str(error), "see the log of the other node")
        else:
            answer = PeerAnswer(wanted.number, text, "", "")
        self._reply(answer)

    def _reply(self, answer: PeerAnswer) -> None:
        self._send(ANSWER, msgspec.msgpack.encode(answer))
