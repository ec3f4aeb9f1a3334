"""What the spool hands to delivery and gets back: leases and outcomes."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Reply


class AttemptId(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Names one attempt for ever: the journal position of its lease record."""

    incarnation: bytes
    seq: int


class Result(IntEnum):
    """How an attempt ended for one recipient.

    DELIVERED: the next hop or mailbox took responsibility. DEFERRED: tried, try again later.
    CANCELLED: not tried (shutdown, throttle, fence): no attempt is counted. BOUNCED and EXPIRED
    are final failures. DOUBT is written by the spool only: nobody knows how the attempt ended.
    """

    DELIVERED = 1
    DEFERRED = 2
    CANCELLED = 3
    BOUNCED = 4
    EXPIRED = 5
    DOUBT = 6


class LeasedRecipient(msgspec.Struct, frozen=True, array_like=True):
    """A recipient to attempt: `index` into the envelope; `address` may differ after a redirect.

    `tries` counts earlier attempts; `delay_notified` says that a delay DSN already went out.
    """

    index: int
    address: str
    tries: int
    delay_notified: bool = False


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """The right to attempt some recipients of one message, once.

    `age` is milliseconds of the owner's running time since acceptance (never wall time).
    All recipients of a lease share one routing domain. `size` is bytes of content.
    Content is read by queue id (`appliance.spool.content.ContentReader`), never sent along.
    `bulk`: it may wait for interactive mail (`appliance.mail.priority`).
    """

    attempt: AttemptId
    queue_id: QueueId
    envelope: Envelope
    recipients: tuple[LeasedRecipient, ...]
    size: int
    age: int
    bulk: bool = False


class RecipientOutcome(msgspec.Struct, frozen=True, array_like=True):
    """The end of an attempt for one recipient.

    `retry_in`: milliseconds until the next attempt, for DEFERRED and CANCELLED. `mailbox` names
    the mailbox a DELIVERED message was filed in, None if it went to a next hop. `remote` is the
    next hop as "host[address]:port" or "mailbox"/"discard". `delayed`: a delay DSN is attached.
    """

    index: int
    result: Result
    reply: Reply
    remote: str = ""
    retry_in: int = 0
    mailbox: str | None = None
    delayed: bool = False
    held: bool = False


class NewMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message made on the node (a DSN): accepted in the same transaction as its cause.

    `content` is at most 256 KiB: it crosses a process boundary.
    """

    envelope: Envelope
    content: bytes


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What delivery reports for one lease, kept by it until the spool acknowledges."""

    attempt: AttemptId
    queue_id: QueueId
    recipients: tuple[RecipientOutcome, ...]
    notifications: tuple[NewMessage, ...] = ()
