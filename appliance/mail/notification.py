"""Which recipients the sender is told about, and what (RFC 3461 §4.1, §5.2, §6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

import msgspec

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import RecipientOutcome, Result

HERE = ("mailbox", "discard")  # what `RecipientOutcome.remote` says of deliveries on this pair


class Action(Enum):
    """The Action field of RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Notice(msgspec.Struct, frozen=True):
    """One recipient to report on; `expired`: given up because time was up."""

    recipient: Recipient
    action: Action
    reply: Reply
    remote: str = ""
    expired: bool = False


def notifications(
    envelope: Envelope,
    outcomes: Iterable[RecipientOutcome],
    passed_on: Collection[int] = (),
) -> tuple[Notice, ...]:
    """The notices that `outcomes` ask for; empty for the null sender, always (RFC 5321 §6.1).

    `passed_on` are the indices of recipients handed to a next hop that speaks DSN: it got
    their NOTIFY parameter and reports success in our stead (RFC 3461 §5.2.1, §5.2.2). A
    DEFERRED outcome asks for a notice if it says `delayed`.
    """
    if not envelope.sender:
        return ()
    notices = []
    for outcome in outcomes:
        recipient = envelope.recipients[outcome.index]
        action = _action(outcome, recipient.notify, outcome.index in passed_on)
        if action is not None:
            expired = outcome.result is Result.EXPIRED
            notices.append(Notice(recipient, action, outcome.reply, outcome.remote, expired))
    return tuple(notices)


def _action(outcome: RecipientOutcome, notify: tuple[str, ...], passed_on: bool) -> Action | None:
    """§4.1: without NOTIFY a sender hears of failure and delay; NEVER asks for none of these."""
    if outcome.result in (Result.BOUNCED, Result.EXPIRED):
        return Action.FAILED if not notify or "FAILURE" in notify else None
    if outcome.result is Result.DEFERRED and outcome.delayed:
        return Action.DELAYED if not notify or "DELAY" in notify else None
    if outcome.result is Result.DELIVERED and "SUCCESS" in notify and not passed_on:
        return Action.DELIVERED if outcome.remote in HERE else Action.RELAYED
    return None
