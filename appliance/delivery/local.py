"""Transports that need no next hop: mailbox, discard, hold, and recipients that don't exist."""

from __future__ import annotations

from appliance.mail.reply import Reply
from appliance.mail.route import Bounce, Discard, Hold, Mailbox, Mx, Smtp, Transport
from appliance.mail.work import RecipientOutcome, Result

_FILED = Reply(250, "2.1.5", "filed")
_DISCARDED = Reply(250, "2.0.0", "discarded")
_HELD = Reply(451, "4.7.1", "held by its route until it is released")


def settle(transport: Transport, index: int) -> RecipientOutcome | None:
    """The outcome for recipient `index`, None if a next hop must be asked.

    Nothing is done here: the spool files a message in its mailbox in the same transaction in
    which it records that it was delivered.
    """
    match transport:
        case Mailbox(name):
            return RecipientOutcome(index, Result.DELIVERED, _FILED, "mailbox", mailbox=name)
        case Discard():
            return RecipientOutcome(index, Result.DELIVERED, _DISCARDED, "discard")
        case Hold():
            return RecipientOutcome(index, Result.CANCELLED, _HELD, held=True)
        case Bounce(reply):
            return RecipientOutcome(index, Result.BOUNCED, reply)
        case Smtp() | Mx():
            return None
