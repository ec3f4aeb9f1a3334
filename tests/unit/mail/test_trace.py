"""Trace fields: well-formed whatever the client says, and loops are seen."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import trace
from appliance.mail.date import date_text
from appliance.mail.reply import Refused

DATE = "Sat, 21 Nov 2026 10:00:00 +0000"


def field(
    helo: str = "client.example",
    client: str = "192.0.2.1",
    recipients: tuple[str, ...] = (),
    protocol: str = "ESMTP",
) -> bytes:
    return trace.received(
        helo=helo,
        client=client,
        node="a.site.test",
        protocol=protocol,
        queue_id="0123456789ABCD",
        recipients=recipients,
        date=DATE,
    )


def test_received() -> None:
    assert field(recipients=("ann@site.test",)) == (
        b"Received: from client.example ([192.0.2.1])\r\n"
        b"\tby a.site.test with ESMTP id 0123456789ABCD\r\n"
        b"\tfor <ann@site.test>;\r\n"
        b"\tSat, 21 Nov 2026 10:00:00 +0000\r\n"
    )


def test_received_names_no_recipient_beside_others() -> None:
    assert b"for" not in field(recipients=("ann@site.test", "bob@site.test"))
    assert b"for" not in field()


def test_received_is_ascii_unless_the_message_is_utf8() -> None:
    assert field(recipients=("jörg@site.test",)).isascii()
    assert "for <jörg@site.test>;".encode() in field(
        recipients=("jörg@site.test",), protocol="UTF8SMTPS"
    )


@pytest.mark.parametrize(
    "client, shown",
    [
        ("2001:DB8:0::1", b"([IPv6:2001:db8::1])"),
        ("fe80::1%eth0", b"([IPv6:fe80::1])"),
        ("", b"(unknown)"),
        ("not an address", b"(unknown)"),
    ],
)
def test_clients(client: str, shown: bytes) -> None:
    assert shown in field(client=client)


@given(st.text(max_size=600), st.text(max_size=60))
def test_received_is_one_field_whatever_the_client_says(helo: str, client: str) -> None:
    made = field(helo=helo, client=client)
    assert made.isascii()
    assert all(len(line) <= 998 for line in made.split(b"\r\n"))
    message = message_from_bytes(made + b"\r\nbody", policy=policy.SMTP)
    assert message.keys() == ["Received"]
    assert not message.defects
    assert trace.count_received(made) == 1


@pytest.mark.parametrize(
    "extended, tls, authenticated, smtputf8, name",
    [
        (False, False, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, False, True, False, "ESMTPA"),
        (True, True, True, False, "ESMTPSA"),
        (True, False, False, True, "UTF8SMTP"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_protocol(
    extended: bool, tls: bool, authenticated: bool, smtputf8: bool, name: str
) -> None:
    assert trace.protocol(extended, tls, authenticated, smtputf8) == name


def test_return_path() -> None:
    assert trace.return_path("") == b"Return-Path: <>\r\n"
    assert trace.return_path("jörg@b.c") == "Return-Path: <jörg@b.c>\r\n".encode()


@pytest.mark.parametrize(
    "content, parts",
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore", (b"A: 1\r\nB: 2\r\n", b"body\r\n\r\nmore")),
        (b"\r\nbody", (b"", b"body")),
        (b"A: 1\r\n", (b"A: 1\r\n", b"")),
        (b"A: 1\r\n\r\n", (b"A: 1\r\n", b"")),
        (b"", (b"", b"")),
        (b"A: 1\n\nbody", (b"A: 1\n\nbody", b"")),
    ],
)
def test_split_content(content: bytes, parts: tuple[bytes, bytes]) -> None:
    assert trace.split_content(content) == parts


@given(st.lists(st.sampled_from([b"A: b\r\n", b"RECEIVED: x\r\n", b"\r\n", b"Received: y\r\n"])))
def test_only_fields_of_the_header_count(lines: list[bytes]) -> None:
    header = lines[: lines.index(b"\r\n")] if b"\r\n" in lines else lines
    expected = sum(line.lower().startswith(b"received") for line in header)
    assert trace.count_received(b"".join(lines)) == expected


def test_folded_and_similar_fields_do_not_count() -> None:
    assert (
        trace.count_received(b"X: a\r\n Received: b\r\nX-Received: c\r\nReceived-SPF: d\r\n") == 0
    )


def test_a_hundred_hops_are_a_loop() -> None:
    content = field() * 99 + b"Subject: x\r\n\r\n" + field() * 5
    trace.check_hops(content)
    with pytest.raises(Refused) as refused:
        trace.check_hops(field() + content)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (554, "5.4.6")


def test_the_scan_is_bounded() -> None:
    content = b"x" * 300_000 + b"\r\nReceived: x"
    assert trace.count_received(content) == 0


@given(st.integers(0, 253_402_300_799_999))
def test_dates_read_back(wall_clock: int) -> None:
    at = parsedate_to_datetime(date_text(wall_clock))
    assert at.timestamp() == wall_clock // 1000
    assert format_datetime(at) == date_text(wall_clock)


def test_absurd_clocks_still_have_a_date() -> None:
    assert date_text(-5) == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert date_text(1 << 80).startswith("Fri, 31 Dec 9999")
