"""Reports: what goes back of the original, and hostile originals and replies."""

from __future__ import annotations

import re
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import dsn
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.notification import Action, Notice
from appliance.mail.reply import Reply
from appliance.mail.returned import message_id, returned
from appliance.mail.work import NewMessage
from tests.unit.mail.reports import (
    BOB,
    HOP,
    NO_USER,
    ORIGINAL,
    QUEUE_ID,
    STAMP,
    UTF8_ORIGINAL,
    build,
    envelope,
    international,
    international_headers,
    only,
    well_formed,
)


def blocks(made: NewMessage) -> list[list[str]]:
    """The field names of the machine-readable part, block by block."""
    raw = made.content.split(b"\r\n--=_")[2].partition(b"\r\n\r\n")[2]
    return [
        re.findall(r"^([A-Za-z-]+):", block.decode(), re.M)
        for block in raw.removesuffix(b"\r\n").split(b"\r\n\r\n")
    ]


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
