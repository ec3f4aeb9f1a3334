"""Reports: golden ones to read, and laws that hold for hostile originals and replies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import dsn
from appliance.mail.delivery_status import Stamp
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.notification import Action, Notice
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Reply
from appliance.mail.returned import message_id, returned
from appliance.mail.work import NewMessage

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "REWRITE_GOLDEN" in os.environ  # then look at the difference before committing it
QUEUE_ID = QueueId("0123456789ABCD")
HOP = "mx.example.org[192.0.2.25]:25"
STAMP = Stamp(
    node="a.site.test",
    sender="postmaster@site.test",
    token="7Q2KZ0",
    now=1_795_000_000_000,
    retry_until=1_795_400_000_000,
)
ORIGINAL = (
    b"Received: from pc ([192.0.2.7])\r\n\tby a.site.test with ESMTP id 0123456789ABCD;\r\n"
    b"\tWed, 18 Nov 2026 07:33:20 +0000\r\nMessage-ID: <1@pc.site.test>\r\n"
    b"From: ann@site.test\r\nTo: bob@example.org\r\nSubject: minutes\r\n\r\n"
    b"Dear Bob,\r\n.\r\nAnn\r\n"
)
NO_USER = Reply(550, "5.1.1", "<bob@example.org>: Recipient address rejected:\nUser unknown")
REFUSED = Reply(451, "4.4.1", "connection refused")


def envelope(
    *recipients: Recipient,
    sender: str = "ann@site.test",
    smtputf8: bool = False,
    ret: str | None = None,
    envid: str | None = None,
) -> Envelope:
    return Envelope(
        sender,
        recipients,
        smtputf8=smtputf8,
        ret=ret,
        envid=envid,
        helo="pc",
        received_at=1_794_990_000_000,
    )


def only(messages: tuple[NewMessage, ...]) -> NewMessage:
    (message,) = messages
    return message


def build(made: Envelope, notices: list[Notice], original: bytes = ORIGINAL) -> NewMessage:
    return only(dsn.build(made, QUEUE_ID, notices, original, len(original), STAMP))


BOB = Recipient("bob@example.org", ("SUCCESS", "FAILURE"), "rfc822;Bob+2Bwork@example.org")
EVE = Recipient("eve@example.org")
JÖRG = Recipient("jörg@müller.example", (), "utf-8;jörg@müller.example")
UTF8_ORIGINAL = "From: ünal@site.test\r\nSubject: Grüße\r\n\r\nHallo Jörg\r\n".encode()


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


def international() -> NewMessage:
    made = envelope(JÖRG, sender="ünal@site.test", smtputf8=True)
    notice = Notice(JÖRG, Action.FAILED, Reply(550, "5.1.1", "kein Jörg"), HOP)
    return build(made, [notice], UTF8_ORIGINAL)


def international_headers() -> NewMessage:
    made = envelope(JÖRG, smtputf8=True, ret="HDRS")
    notice = Notice(JÖRG, Action.FAILED, Reply(550, "5.1.1", "kein Jörg"), HOP)
    return build(made, [notice], UTF8_ORIGINAL)


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
    if REWRITE:
        path.write_text(shown)
    assert shown == path.read_text()


def well_formed(made: NewMessage) -> list[Message]:
    """Check what every report must be; gives its parts."""
    content = made.content
    assert len(content) <= dsn.MAX_DSN
    assert b"\0" not in content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    assert content.endswith(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert made.envelope.sender == ""
    assert content.isascii() == (made.envelope.body == "7BIT")
    header = content.partition(b"\r\n\r\n")[0]
    assert header.isascii() or made.envelope.smtputf8
    message = message_from_bytes(content)
    assert [key for key in message if key not in ("In-Reply-To", "References")] == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert not message.defects
    parts = inside(message)
    assert len(parts) == 3
    return parts


def inside(message: Message) -> list[Message]:
    payload = message.get_payload()
    parts = [part for part in payload if isinstance(part, Message)]
    assert len(parts) == len(payload)
    return parts


def blocks(made: NewMessage) -> list[list[str]]:
    """The field names of the machine-readable part, block by block."""
    raw = made.content.split(b"\r\n--=_")[2].partition(b"\r\n\r\n")[2]
    return [
        re.findall(r"^([A-Za-z-]+):", block.decode(), re.M)
        for block in raw.removesuffix(b"\r\n").split(b"\r\n\r\n")
    ]


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


@pytest.mark.parametrize(
    "action, ret, kind",
    [
        (Action.FAILED, None, "message/rfc822"),
        (Action.FAILED, "FULL", "message/rfc822"),
        (Action.FAILED, "HDRS", "text/rfc822-headers"),
        (Action.DELAYED, "FULL", "text/rfc822-headers"),
        (Action.DELIVERED, "FULL", "text/rfc822-headers"),
        (Action.RELAYED, None, "text/rfc822-headers"),
    ],
)
def test_how_much_goes_back(action: Action, ret: str | None, kind: str) -> None:
    parts = well_formed(build(envelope(BOB, ret=ret), [Notice(BOB, action, NO_USER)]))
    assert parts[2].get_content_type() == kind
    assert ("Dear Bob" in parts[2].as_string()) == (kind == "message/rfc822")


def test_a_large_original_goes_back_cut_at_a_line() -> None:
    original = ORIGINAL + b"0123456789\r\n" * 22_000
    notice = Notice(BOB, Action.FAILED, NO_USER)
    made = only(dsn.build(envelope(BOB), QUEUE_ID, [notice], original, 10**9, STAMP))
    parts = well_formed(made)
    assert len(made.content) > dsn.MAX_DSN - 8192
    assert parts[2]["Content-Description"].startswith("The beginning of the message (1000000000")
    assert b"0123456789\r\n\r\n--=_" in made.content


def test_eight_bit_originals() -> None:
    made = build(envelope(BOB), [Notice(BOB, Action.FAILED, NO_USER)], b"X: \xff\r\n\r\n\xe9\r\n")
    parts = well_formed(made)
    assert (made.envelope.body, made.envelope.smtputf8) == ("8BITMIME", False)
    assert parts[2]["Content-Transfer-Encoding"] == "8bit"
    assert b"X: \xff\r\n\r\n\xe9\r\n" in made.content


def test_international_reports() -> None:
    made = international()
    parts = well_formed(made)
    assert made.envelope.smtputf8
    assert [part.get_content_type() for part in parts[1:]] == [
        "message/global-delivery-status",
        "message/global",
    ]
    assert "Final-Recipient: utf-8; jörg@müller.example\r\n".encode() in made.content
    # An ASCII sender may have a next hop without SMTPUTF8: the report needs none.
    made = international_headers()
    assert not made.envelope.smtputf8
    assert well_formed(made)[2].get_content_type() == "message/global-headers"


def test_an_smtputf8_message_between_ascii_addresses() -> None:
    made = build(envelope(BOB, smtputf8=True), [Notice(BOB, Action.FAILED, NO_USER)], UTF8_ORIGINAL)
    _, status, original = well_formed(made)
    assert status.get_content_type() == "message/global-delivery-status"
    assert original.get_content_type() == "message/global"
    assert b"Final-Recipient: rfc822; bob@example.org\r\n" in made.content


def test_long_lines_are_broken_between_characters() -> None:
    fits, long = b"x" * 998, "é".encode() * 998
    made = build(
        envelope(BOB, smtputf8=True),
        [Notice(BOB, Action.FAILED, NO_USER)],
        b"X: 1\r\n" + long + b"\r\n\r\n" + fits + b"\r\n" + long + b"\r\n",
    )
    well_formed(made)
    header, _, body = (
        made.content.split(b"\r\n--=_")[3].partition(b"X: 1\r\n")[2].partition(b"\r\n\r\n")
    )
    assert header.replace(b"\r\n ", b"") == long
    assert body.startswith(fits + b"\r\n")
    assert body.removeprefix(fits).replace(b"\r\n", b"") == long
    for line in header.split(b"\r\n ") + body.split(b"\r\n"):
        line.decode()


def test_utf8_parameters_in_an_ascii_report() -> None:
    eve = Recipient("eve@example.org", (), "utf-8;j\\x{F6}rg@example.org")
    made = build(envelope(eve), [Notice(eve, Action.FAILED, Reply(550, "5.1.1", "kein Jörg"))])
    well_formed(made)
    assert made.content.isascii()
    assert b"Original-Recipient: utf-8; j\\x{F6}rg@example.org\r\n" in made.content
    assert b"550 5.1.1 kein J?rg\r\n" in made.content


def test_very_many_recipients_make_several_reports() -> None:
    recipients = [Recipient(f"{'x' * 200}{n}@example.org") for n in range(1000)]
    notices = [Notice(r, Action.FAILED, Reply(550, "5.1.1", "y" * 900)) for r in recipients]
    made = dsn.build(envelope(*recipients), QUEUE_ID, notices, ORIGINAL, len(ORIGINAL), STAMP)
    assert 5 < len(made) < 50
    reported = b"".join(one.content for one in made)
    assert reported.count(b"Final-Recipient: ") == 1000
    ids = {message_from_bytes(one.content)["Message-ID"] for one in made}
    assert len(ids) == len(made)
    for one in made:
        well_formed(one)


PIECE = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\0", b"A: b", b" ", b"Message-ID:", b"<x@y>", b"=", b"--=_7Q2KZ0"]
) | st.binary(max_size=12)
ORIGINALS = st.lists(PIECE | st.sampled_from([b"x" * 2500, "é".encode() * 999, b"\xbf" * 1200]))
FOREIGN = st.text(max_size=40) | st.sampled_from(
    ["+" * 400 + "é", "a\r\n\r\n--=_7Q2KZ0.1--\r\nX: y"]
)


@given(ORIGINALS.map(b"".join), st.booleans(), st.sampled_from(["FULL", "HDRS"]))
def test_any_original_gives_a_valid_report(original: bytes, smtputf8: bool, ret: str) -> None:
    made = build(
        envelope(BOB, smtputf8=smtputf8, ret=ret),
        [Notice(BOB, Action.FAILED, NO_USER, HOP)],
        original.replace(b"--=_7Q2KZ0", b"--=_"),  # nobody can guess the token
    )
    well_formed(made)
    if smtputf8 and ret == "HDRS":
        made.content.decode()


@given(FOREIGN, FOREIGN, FOREIGN, FOREIGN, FOREIGN, st.booleans())
def test_nothing_foreign_adds_fields_or_parts(
    sender: str, address: str, orcpt: str, envid: str, text: str, utf8_orcpt: bool
) -> None:
    recipient = Recipient(address, (), f"{'utf-8' if utf8_orcpt else orcpt};{orcpt}")
    made = Envelope(sender or "x", (recipient,), envid=envid, helo=text or "x")
    report = build(made, [Notice(recipient, Action.FAILED, Reply(550, "5.1.1", text), text)])
    well_formed(report)
    message, fields = blocks(report)
    assert message == [
        "Original-Envelope-Id",
        "Reporting-MTA",
        "X-Twinpost-Queue-Id",
        "Received-From-MTA",
        "Arrival-Date",
    ]
    assert [name for name in fields if name != "Remote-MTA"] == [
        "Original-Recipient",
        "Final-Recipient",
        "Action",
        "Status",
        "Diagnostic-Code",
        "Last-Attempt-Date",
    ]


@given(st.binary(max_size=3000), st.integers(0, 3000), st.booleans(), st.booleans())
def test_the_returned_part_fits_its_room(
    original: bytes, room: int, full: bool, utf8: bool
) -> None:
    part = returned(original, len(original), full, utf8, room)
    content = part.partition(b"\r\n\r\n")[2]
    assert len(content) <= room
    assert content.endswith(b"\r\n") or not content


@pytest.mark.parametrize(
    "header, found",
    [
        (b"Message-ID: <a@b>\r\n", "<a@b>"),
        (b"X: y\r\nMESSAGE-ID:\r\n <a@b>\r\n", "<a@b>"),
        (b"X-Message-ID: <a@b>\r\n", ""),
        (b"X: y\r\n\r\nMessage-ID: <a@b>\r\n", ""),
        (b"Message-ID: <a b@c>\r\n", ""),
        (b"Message-ID: <a\r\nX: y>\r\n", ""),
        (b"Message-ID: <" + b"x" * 300 + b">\r\n", ""),
    ],
)
def test_message_id(header: bytes, found: str) -> None:
    assert message_id(header) == found
