"""What the SMTP server needs of a spool."""

from __future__ import annotations

from typing import Protocol

from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId


class BodyWriter(Protocol):
    """A large body on its way to both nodes, outside the journal."""

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`; waits when disk or peer is slower than the client."""

    async def abort(self) -> None:
        """Forget the body, unless it was accepted; called after a failed `accept_body` too."""


class Intake(Protocol):
    """Accepts responsibility for messages (RFC 5321 §4.2.5)."""

    inline_limit: int
    """Bodies up to this many bytes go through `accept`, larger ones through `open_body`."""

    def available(self) -> None:
        """Raise `mail.reply.Refused` (4yz) if a message could not be accepted now."""

    def new_queue_id(self) -> QueueId:
        """A queue id for a message about to arrive (it appears in its Received field)."""

    async def accept(
        self, queue_id: QueueId, envelope: Envelope, content: bytes, hold: bool
    ) -> None:
        """Return when the message is durable as the pair's mode demands: then, only then, 250.

        `hold`: it waits until somebody releases it. Raises `mail.reply.Refused`. Not safe to
        cancel: shield it.
        """

    async def open_body(self, queue_id: QueueId) -> BodyWriter:
        """Start a large body."""

    async def accept_body(
        self, queue_id: QueueId, envelope: Envelope, body: BodyWriter, hold: bool
    ) -> None:
        """Like `accept`, for a body written before."""
