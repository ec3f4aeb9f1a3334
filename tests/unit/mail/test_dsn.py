"""Reports: golden ones to read, and what the standard asks of them."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from appliance.mail import dsn
from appliance.mail.envelope import Recipient
from appliance.mail.notification import Action, Notice
from appliance.mail.reply import Reply
from appliance.mail.work import NewMessage
from tests.support import golden
from tests.unit.mail.reports import (
    BOB,
    HOP,
    NO_USER,
    ORIGINAL,
    QUEUE_ID,
    STAMP,
    build,
    envelope,
    inside,
    international,
    international_headers,
    well_formed,
)

GOLDEN = Path(__file__).parent / "golden"
REFUSED = Reply(451, "4.4.1", "connection refused")
EVE = Recipient("eve@example.org")


def failure() -> NewMessage:
    made = envelope(BOB, EVE, envid="QQ314+2B159")
    return build(
        made,
        [
            Notice(BOB, Action.FAILED, NO_USER, HOP),
            Notice(EVE, Action.FAILED, REFUSED, HOP, expired=True),
        ],
    )


def headers_only() -> NewMessage:
    return build(envelope(BOB, ret="HDRS"), [Notice(BOB, Action.FAILED, NO_USER, HOP)])


def delay() -> NewMessage:
    return build(envelope(EVE), [Notice(EVE, Action.DELAYED, REFUSED, HOP)])


def success() -> NewMessage:
    made = envelope(BOB, EVE, ret="FULL")
    return build(
        made,
        [
            Notice(BOB, Action.DELIVERED, Reply(250, "2.0.0", "filed"), "mailbox"),
            Notice(EVE, Action.RELAYED, Reply(250, "", "ok"), HOP),
            Notice(EVE, Action.EXPANDED, Reply(250, "2.0.0", "two members"), "mailbox"),
        ],
    )


def mixed() -> NewMessage:
    made = envelope(BOB, EVE)
    return build(
        made,
        [
            Notice(BOB, Action.DELIVERED, Reply(250, "2.0.0", "filed"), "mailbox"),
            Notice(EVE, Action.FAILED, Reply(554, "", "spam"), HOP),
        ],
    )


CASES: list[Callable[[], NewMessage]] = [
    failure,
    headers_only,
    delay,
    success,
    mixed,
    international,
    international_headers,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_golden(case: Callable[[], NewMessage]) -> None:
    made = case()
    well_formed(made)
    path = GOLDEN / f"{case.__name__}.eml"
    shown = made.content.decode().replace("\r\n", "\n")
    golden.check(path, shown)


def test_fields_as_the_standard_library_reads_them() -> None:
    text, status, original = well_formed(failure())
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    message, bob, eve = inside(status)
    assert message.items() == [
        ("Original-Envelope-Id", "QQ314+159"),
        ("Reporting-MTA", "dns; a.site.test"),
        ("X-Twinpost-Queue-Id", "0123456789ABCD"),
        ("Received-From-MTA", "dns; pc"),
        ("Arrival-Date", "Wed, 18 Nov 2026 08:20:00 +0000"),
    ]
    assert bob.items() == [
        ("Original-Recipient", "rfc822; Bob+work@example.org"),
        ("Final-Recipient", "rfc822; bob@example.org"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.example.org"),
        (
            "Diagnostic-Code",
            "smtp; 550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown",
        ),
        ("Last-Attempt-Date", "Wed, 18 Nov 2026 11:06:40 +0000"),
    ]
    assert eve["Status"] == "4.4.7"
    assert eve["Diagnostic-Code"] == "x-twinpost; 451 4.4.1 connection refused"
    assert original.get_content_type() == "message/rfc822"
    (back,) = inside(original)
    assert back.as_bytes(policy=SMTP) == ORIGINAL


def test_it_goes_to_the_sender_from_nobody() -> None:
    made = failure()
    assert made.envelope.sender == ""
    assert made.envelope.recipients == (Recipient("ann@site.test"),)
    message = message_from_bytes(made.content)
    assert message["To"] == "<ann@site.test>"
    assert message["In-Reply-To"] == "<1@pc.site.test>"


def test_no_report_to_the_null_sender() -> None:
    notice = Notice(BOB, Action.FAILED, NO_USER)
    assert dsn.build(envelope(BOB, sender=""), QUEUE_ID, [notice], b"", 0, STAMP) == ()


def test_nothing_to_tell_no_report() -> None:
    assert dsn.build(envelope(BOB), QUEUE_ID, [], ORIGINAL, len(ORIGINAL), STAMP) == ()
