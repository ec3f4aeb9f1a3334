"""Who is told what: the table of RFC 3461, and never a report on a report."""

from __future__ import annotations

import pytest

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.notification import Action, Notice, notifications
from appliance.mail.reply import Reply
from appliance.mail.work import RecipientOutcome, Result

REPLY = Reply(550, "5.1.1", "no")
HOP = "mx.example[192.0.2.1]:25"
ALL = ("SUCCESS", "FAILURE", "DELAY")


@pytest.mark.parametrize(
    "result, delayed, remote, notify, passed_on, action",
    [
        (Result.BOUNCED, False, HOP, (), False, Action.FAILED),
        (Result.BOUNCED, False, HOP, ("FAILURE",), False, Action.FAILED),
        (Result.BOUNCED, False, HOP, ("SUCCESS", "DELAY"), False, None),
        (Result.BOUNCED, False, HOP, ("NEVER",), False, None),
        (Result.BOUNCED, False, HOP, (), True, Action.FAILED),
        (Result.EXPIRED, False, HOP, (), False, Action.FAILED),
        (Result.EXPIRED, False, HOP, ("NEVER",), False, None),
        (Result.EXPIRED, False, HOP, ("DELAY",), False, None),
        (Result.DEFERRED, True, HOP, (), False, Action.DELAYED),
        (Result.DEFERRED, True, HOP, ("DELAY",), False, Action.DELAYED),
        (Result.DEFERRED, True, HOP, ("FAILURE",), False, None),
        (Result.DEFERRED, True, HOP, ("NEVER",), False, None),
        (Result.DEFERRED, False, HOP, ALL, False, None),
        (Result.CANCELLED, False, "", ALL, False, None),
        (Result.DOUBT, False, HOP, ALL, False, None),
        (Result.DELIVERED, False, HOP, (), False, None),
        (Result.DELIVERED, False, HOP, ("NEVER",), False, None),
        (Result.DELIVERED, False, HOP, ("FAILURE",), False, None),
        (Result.DELIVERED, False, HOP, ("SUCCESS",), False, Action.RELAYED),
        (Result.DELIVERED, False, HOP, ("SUCCESS",), True, None),
        (Result.DELIVERED, False, "mailbox", ALL, False, Action.DELIVERED),
        (Result.DELIVERED, False, "discard", ALL, False, Action.DELIVERED),
        (Result.DELIVERED, False, "mailbox", (), False, None),
    ],
)
def test_table(
    result: Result,
    delayed: bool,
    remote: str,
    notify: tuple[str, ...],
    passed_on: bool,
    action: Action | None,
) -> None:
    envelope = Envelope("a@b.c", (Recipient("other@b.c"), Recipient("d@e.f", notify)))
    outcome = RecipientOutcome(1, result, REPLY, remote, delayed=delayed)
    expected = (
        (Notice(envelope.recipients[1], action, REPLY, remote, result is Result.EXPIRED),)
        if action
        else ()
    )
    assert notifications(envelope, [outcome], {1} if passed_on else ()) == expected


@pytest.mark.parametrize("result", list(Result))
def test_the_null_sender_is_told_nothing(result: Result) -> None:
    envelope = Envelope("", (Recipient("d@e.f", ALL),))
    outcome = RecipientOutcome(0, result, REPLY, "mailbox", delayed=True)
    assert notifications(envelope, [outcome]) == ()
