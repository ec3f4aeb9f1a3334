"""The spool as the SMTP server sees it (`smtpd.intake.Intake`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope
from appliance.mail.histogram import Histogram
from appliance.mail.priority import bulk
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused
from appliance.spool.bodies import Bodies, Body
from appliance.spool.operations import Accept
from appliance.spool.spool import Spool

_encode_envelope = msgspec.msgpack.Encoder().encode


class SpoolIntake:
    """Takes responsibility for messages: returns when they are durable as the mode demands."""

    def __init__(
        self,
        spool: Spool,
        bodies: Bodies,
        gate: Callable[[], Refused | None],
        holds: Callable[[str], bool],
        inline_limit: int = 256 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gate` says why nothing may be accepted now; `holds` whether an address is on hold.

        `clock` counts seconds.
        """
        self.inline_limit = inline_limit
        self.accepted = 0
        self.commit = Histogram()
        """How long messages waited to be durable."""
        self._clock = clock
        self._spool = spool
        self._bodies = bodies
        self.refusal = gate
        """Why nothing may be accepted now, None if mail is welcome."""
        self._holds = holds

    def available(self) -> None:
        """Raise Refused if a message could not be accepted now."""
        refused = self.refusal()
        if refused is not None:
            raise refused

    def new_queue_id(self) -> QueueId:
        """A queue id for a message about to arrive."""
        return self._spool.engine.new_queue_id()

    async def accept(
        self, queue_id: QueueId, envelope: Envelope, content: bytes, hold: bool = False
    ) -> None:
        """Durable as the mode demands when this returns; raises Refused."""
        digest = sha256(content).digest()
        await self._accept(queue_id, envelope, len(content), digest, content, None, hold)

    async def open_body(self, queue_id: QueueId) -> BodyStream:
        """Start a large body."""
        self.available()
        body = self._bodies.create(queue_id)
        return BodyStream(self._spool, queue_id, body, self.available)

    async def accept_body(
        self, queue_id: QueueId, envelope: Envelope, body: object, hold: bool = False
    ) -> None:
        """Like `accept`, for a body written before to what `open_body` gave."""
        assert isinstance(body, BodyStream)
        written = body.body
        await self._accept(queue_id, envelope, written.size, written.digest, None, written, hold)

    async def _accept(
        self,
        queue_id: QueueId,
        envelope: Envelope,
        size: int,
        digest: bytes,
        content: bytes | None,
        body: Body | None,
        hold: bool,
    ) -> None:
        self.available()
        addresses = [recipient.address for recipient in envelope.recipients]
        domains = tuple([domain_key(address) for address in addresses])
        # Held at once rather than by delivery: a message on hold costs no lease and no outcome.
        held = hold or all(self._holds(address) for address in addresses)
        raw = _encode_envelope(envelope)
        waits = bulk(envelope, size, content or b"")
        began = self._clock()
        await self._spool.ask(
            lambda token: Accept(
                token, queue_id, raw, domains, size, digest, content, body, held, waits
            )
        )
        self.commit.note(self._clock() - began)
        self.accepted += 1


class BodyStream:
    """A large body on its way to both nodes (`smtpd.intake.BodyWriter`)."""

    def __init__(
        self, spool: Spool, queue_id: str, body: Body, available: Callable[[], None]
    ) -> None:
        self.body = body
        self._available = available
        self._spool = spool
        self._queue_id = queue_id

    async def write(self, chunk: bytes) -> None:
        """Append `chunk` here and on the peer; raises OSError, and Refused on a full disk."""
        self._available()
        offset = self.body.size
        self.body.write(chunk)
        await self._spool.send_chunk(self._queue_id, offset, chunk)

    async def abort(self) -> None:
        """Forget the body."""
        self.body.discard()
