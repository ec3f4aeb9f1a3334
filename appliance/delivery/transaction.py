"""One mail transaction: MAIL, RCPT …, DATA, content, final dot (RFC 5321 §3.3).

Where it can stop, and what that means for the recipients accepted so far:

- before the final dot was written: nothing was accepted. Refused: as the reply says. Connection
  lost, timeout, nonsense: deferred. The fence closed, or we were stopped: cancelled.
- after it: only the reply to it counts (§6.1). Without one nobody knows whether the message was
  taken: it is tried again, and may arrive twice (RFC 1047).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import msgspec

from appliance.config.delivery import DeliverySettings
from appliance.delivery.content import Content
from appliance.delivery.dots import DotStuffer
from appliance.delivery.extensions import Peer, Plan
from appliance.delivery.wire import ABORTED, Lost, Wire
from appliance.mail.disposition import Stage, Trouble, judge, unreachable, with_status
from appliance.mail.reply import Reply
from appliance.mail.work import Result

FENCED = Reply(451, "4.3.2", "this node may not send now: nothing was sent")
DOUBTFUL = "the next hop may have taken it, its answer to the end of data never came: "


class Strain(IntEnum):
    """What a transaction showed of the next hop's health."""

    NONE = 0
    SLOW = 1
    """It broke off, or asks for less (4.7.z): fewer at a time."""
    DOWN = 2
    """It said that it takes nothing now: leave it alone for a while."""


class Ending(msgspec.Struct, frozen=True):
    """How it ended for one recipient: DELIVERED, DEFERRED, CANCELLED or BOUNCED.

    `again`: not tried, since this next hop takes fewer recipients at once (§4.5.3.1.10); worth
    another transaction right away.
    """

    result: Result
    reply: Reply
    again: bool = False


class Fenced(Exception):
    """The fence closed before the final dot."""


class Transaction:
    """Runs once. `fence` says whether this node may still send the message."""

    def __init__(
        self,
        wire: Wire,
        peer: Peer,
        plan: Plan,
        content: Content,
        settings: DeliverySettings,
        fence: Callable[[], bool],
    ) -> None:
        self._wire = wire
        self._peer = peer
        self._plan = plan
        self._content = content
        self._settings = settings
        self._fence = fence
        self._endings: list[Ending | None] = [
            Ending(Result.BOUNCED, step) if isinstance(step, Reply) else None
            for step in plan.recipients
        ]
        self._accepted: list[int] = []
        self._answered = False
        self._dotted = False
        self._lost = False
        self.strain = Strain.NONE
        self.trouble = FENCED
        """What showed the strain, if there is any."""

    @property
    def unheard(self) -> bool:
        """The connection was dead from the start: the next hop heard nothing of the message."""
        return self._lost and not self._answered

    @property
    def endings(self) -> list[Ending]:
        """One for each recipient of the plan, once it has run."""
        return [ending for ending in self._endings if ending is not None]

    async def run(self) -> None:
        """Raises DamagedContent and LookupError, and whatever else reading content can raise."""
        try:
            if not all(self._endings):
                await self._run()
        except Fenced:
            # What was refused so far is for the next owner to find out again.
            self._endings = [Ending(Result.CANCELLED, FENCED)] * len(self._endings)
        except Lost as lost:
            self._connection_lost(lost.reply)
        except BaseException:
            # Whatever it is (unreadable content, cancellation), no dot may follow what was sent.
            self._wire.abort()
            raise

    async def _run(self) -> None:
        # Read before the peer hears anything: content that can't be sent is no peer's affair.
        small = self._content.whole
        ready = None if small is None else _stuffed(small)
        self._check_fence()
        data = await (self._pipelined() if self._peer.pipelining else self._in_turn())
        if data is None:
            return
        if not self._accepted:
            # RFC 2920 §3.1: a server may say 354 though it refused every recipient.
            self._wire.write(b".\r\n", 1)
            await self._reply(self._settings.data_done_timeout.seconds)
            return
        await self._send_content(ready)
        self._dotted = True
        reply = await self._reply(self._settings.data_done_timeout.seconds)
        self._settle(self._judged(reply, Stage.CONTENT))

    async def _pipelined(self) -> Reply | None:
        """Everything up to DATA in one write (RFC 2920 §3.1); the 354 or None."""
        commands = [step for step in self._plan.recipients if isinstance(step, bytes)]
        self._wire.write(b"".join((self._plan.mail, *commands, b"DATA\r\n")), len(commands) + 2)
        await self._mail_reply()
        for index, step in enumerate(self._plan.recipients):
            if isinstance(step, bytes):
                await self._rcpt_reply(index)
        return await self._data_reply()

    async def _in_turn(self) -> Reply | None:
        """The same, each command after the reply to the one before."""
        self._wire.write(self._plan.mail, 1)
        if not await self._mail_reply():
            return None
        for index, step in enumerate(self._plan.recipients):
            if isinstance(step, bytes):
                self._wire.write(step, 1)
                await self._rcpt_reply(index)
        if not self._accepted:
            await self._reset()
            return None
        if not self._fence():
            await self._reset()
            raise Fenced
        self._wire.write(b"DATA\r\n", 1)
        return await self._data_reply()

    async def _mail_reply(self) -> bool:
        reply = await self._reply(self._settings.command_timeout.seconds)
        if reply.code >= 300:
            self._settle(self._judged(reply, Stage.MAIL))
        return reply.code < 300

    async def _rcpt_reply(self, index: int) -> None:
        reply = await self._reply(self._settings.command_timeout.seconds)
        if self._endings[index] is not None:
            return  # MAIL was refused already: that is the reason, this only follows from it
        if reply.code < 300:
            self._accepted.append(index)
            return
        ending = self._judged(reply, Stage.RCPT)
        if self._accepted and _too_many(reply):
            ending = Ending(ending.result, ending.reply, again=True)
        self._endings[index] = ending

    async def _data_reply(self) -> Reply | None:
        reply = await self._reply(self._settings.data_init_timeout.seconds)
        if reply.code == 354:
            return reply
        self._settle(self._judged(reply, Stage.DATA))
        await self._reset()
        return None

    async def _send_content(self, ready: bytes | None) -> None:
        # The reply to the final dot is asked for here already: a server that gives up in the
        # middle (552, 421) says why before it closes.
        if ready is not None:
            self._check_fence()
            self._wire.write(ready, 1)
            return
        stuffer = DotStuffer()
        self._wire.expect(1)
        for block in self._content.blocks():
            self._check_open()
            self._wire.write(stuffer.block(block), 0)
            await self._drain()
        end = stuffer.end()
        self._check_open()
        self._wire.write(end, 0)

    async def _drain(self) -> None:
        try:
            await self._wire.drain(self._settings.data_block_timeout.seconds)
        except Lost:
            self._check_early()
            raise

    def _check_open(self) -> None:
        self._check_fence()
        self._check_early()

    def _check_fence(self) -> None:
        if not self._fence():
            if self._answered:
                self._wire.abort()
            raise Fenced

    def _check_early(self) -> None:
        early = self._wire.early_reply()
        if early is None:
            return
        if early.code < 400:
            early = unreachable(Trouble.PROTOCOL, f"answered before the end of data: {early}")
        self._settle(self._judged(early, Stage.CONTENT))
        self._wire.abort(early)
        raise Lost(early)

    async def _reset(self) -> None:
        """RSET (§4.1.1.5); the endings are known, so only the connection depends on it."""
        try:
            self._wire.write(b"RSET\r\n", 1)
            reply = await self._reply(self._settings.command_timeout.seconds)
            if reply.code >= 300:
                self._wire.abort()
        except Lost:
            self._lost = True

    async def _reply(self, seconds: float) -> Reply:
        reply = await self._wire.reply(seconds)
        if reply.code == 421:
            # §3.8: the server is about to close; nothing more will come.
            self._wire.abort(reply)
            raise Lost(reply)
        self._answered = True
        return reply

    def _judged(self, reply: Reply, stage: Stage) -> Ending:
        verdict = judge(reply, stage)
        if verdict.result is Result.DELIVERED:
            return Ending(verdict.result, verdict.reply)
        if reply.code < 400:
            # Its replies and our commands no longer run in step: nothing after it can be trusted.
            self._wire.abort(verdict.reply)
            raise Lost(verdict.reply)
        if verdict.blames_hop:
            self._strained(Strain.DOWN, verdict.reply)
        elif stage is not Stage.RCPT and verdict.reply.enhanced.startswith("4.7."):
            self._strained(Strain.SLOW, verdict.reply)
        return Ending(verdict.result, verdict.reply)

    def _connection_lost(self, why: Reply) -> None:
        self._lost = True
        if why is not ABORTED:
            said_so = why.code == 421
            self._strained(Strain.DOWN if said_so else Strain.SLOW, why)
        if self._dotted and why.code != 421:
            why = Reply(451, why.enhanced, DOUBTFUL + why.text)
            self._settle(Ending(Result.DEFERRED, why))
        else:
            result = Result.CANCELLED if why is ABORTED else Result.DEFERRED
            self._settle(Ending(result, with_status(why, Stage.CONTENT)))

    def _strained(self, strain: Strain, why: Reply) -> None:
        if strain > self.strain:
            self.strain, self.trouble = strain, with_status(why, Stage.CONTENT)

    def _settle(self, ending: Ending) -> None:
        self._endings = [known or ending for known in self._endings]


def _stuffed(content: bytes) -> bytes:
    stuffer = DotStuffer()
    return stuffer.block(content) + stuffer.end()


def _too_many(reply: Reply) -> bool:
    return (reply.code == 452 and reply.enhanced in ("", "4.5.3")) or (
        reply.code == 552 and reply.enhanced in ("", "5.5.3")
    )
