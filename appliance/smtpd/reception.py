"""One message on its way into the intake: small ones in memory, large ones streamed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused, Reply
from appliance.mail.trace import check_hops
from appliance.smtpd.intake import BodyWriter, Intake
from appliance.smtpd.replies import CANNOT_ACCEPT_NOW, TOO_BIG

_ID = re.compile(rb"[ \t\r\n]*(<[^>\r\n]{1,250}>)")
_HEADER = 16 << 10
"""Bytes in which a Message-ID is looked for."""


class Reception:
    """Takes a message piece by piece; after a refusal it keeps nothing of what still comes.

    `trace` is the Received field put in front; the limit `message_size` is for what the client
    sends. A failure nobody foresaw is told to `failed` and refused as transient.
    """

    def __init__(
        self,
        intake: Intake,
        queue_id: QueueId,
        trace: bytes,
        message_size: int,
        failed: Callable[[QueueId, Exception], None],
        check: Callable[[bytes], None] | None = None,
    ) -> None:
        """`check` looks at the client's header, and what follows, and raises Refused."""
        self.queue_id = queue_id
        self.refusal: Reply | None = None
        self.size = 0
        """Bytes of the client so far."""
        self.message_id = ""
        """What its header says, for the log; "" until it is handed over, and if there is none."""
        self._intake = intake
        self._message_size = message_size
        self._failed = failed
        self._check = check
        self._trace = trace
        self._parts: list[bytes] = []
        self._room = intake.inline_limit - len(trace)
        self._body: BodyWriter | None = None

    async def add(self, piece: bytes) -> None:
        """The next bytes; waits while disk or peer is slower than the client."""
        self.size += len(piece)
        if self.refusal is not None:
            return
        if self.size > self._message_size:
            await self.refuse(TOO_BIG)
        elif self.size <= self._room:
            self._parts.append(piece)
        else:
            refusal = await self._outcome(self._stream(piece))
            if refusal is not None:
                await self.refuse(refusal)

    async def refuse(self, reply: Reply) -> None:
        """Forget what there is, and what still comes."""
        self.refusal = reply
        self._parts.clear()
        body, self._body = self._body, None
        if body is not None:
            await self._outcome(body.abort())

    async def forget(self) -> Reply | None:
        """Nobody is to have the message; None unless it was refused before."""
        refusal = self.refusal
        await self.refuse(CANNOT_ACCEPT_NOW)
        return refusal

    async def commit(self, envelope: Envelope, hold: bool = False) -> Reply | None:
        """Hand the message over; None if it is as durable as the pair's mode demands.

        `hold`: it is delivered when somebody releases it.
        """
        if self.refusal is None:
            refusal = await self._outcome(self._commit(envelope, hold))
            if refusal is not None:
                await self.refuse(refusal)
        return self.refusal

    async def _commit(self, envelope: Envelope, hold: bool) -> None:
        if self._body is None:
            await self._intake.accept(self.queue_id, envelope, self._take_parts(), hold)
        else:
            await self._intake.accept_body(self.queue_id, envelope, self._body, hold)

    async def _stream(self, piece: bytes) -> None:
        """The message is too large for the journal."""
        if self._body is None:
            self._parts.append(piece)
            piece = self._take_parts()
            self._body = await self._intake.open_body(self.queue_id)
        await self._body.write(piece)

    def _take_parts(self) -> bytes:
        """Trace and content so far; raises `Refused` for a loop (Received fields stand on top)."""
        content = b"".join(self._parts)
        self._parts.clear()
        check_hops(content)
        self.message_id = self.message_id or _message_id(content)
        if self._check is not None:
            self._check(content)
        return self._trace + content

    async def _outcome(self, step: Awaitable[None]) -> Reply | None:
        try:
            await step
        except Refused as refused:
            return refused.reply
        except Exception as error:
            # The spool, disk or peer failed in a way nobody foresaw: transient, never a 250.
            self._failed(self.queue_id, error)
            return CANNOT_ACCEPT_NOW
        return None


def _message_id(content: bytes) -> str:
    """What the header says (RFC 5322 §3.6.4); found in a microsecond, which no pattern does."""
    end = content.find(b"\r\n\r\n", 0, _HEADER)
    header = b"\n" + content[: end if end >= 0 else _HEADER].lower()
    at = header.find(b"\nmessage-id:")
    found = _ID.match(content, at + len("message-id:")) if at >= 0 else None
    return found[1].decode("ascii", "replace") if found else ""
