"""From: one field, and only addresses that the user may use."""

from __future__ import annotations

import pytest

from appliance.mail.author import check_author
from appliance.mail.reply import Refused


def allowed(content: bytes) -> bool:
    try:
        check_author(content, lambda address: address.lower() in ("ann@site.test", "i@site.test"))
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    "header",
    [
        b"From: ann@site.test",
        b"Subject: x\r\nFROM: Ann <Ann@Site.test>\r\nTo: b@c.test",
        b"From: =?utf-8?q?bob=40site=2Etest?= <ann@site.test>",
        b'From: "bob@site.test" <ann@site.test>',
        b"From: Ann\r\n <ann@site.test>,\r\n\ti@site.test",
        b"From : ann@site.test",
    ],
)
def test_ones_own(header: bytes) -> None:
    assert allowed(header + b"\r\n\r\nFrom: bob@site.test\r\n")
    assert allowed(header)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Subject: x",
        b"From: bob@site.test",
        b"From: ann@site.test, bob@site.test",
        b"From: ann@site.test\r\nFrom: bob@site.test",
        b"From: ann@site.test\r\nfrom : bob@site.test",
        b"From: ann@site.test\r\nFrom\t: bob@site.test",
        b"From:\r\n bob@site.test",
        b"From: Ann",
        b"From:",
        b"From: <>",
        b"From: \xff <ann@site.test>",
        b"From: ann@site.test <bob@site.test>",
        b"From: <ann@site.test> <bob@site.test>",
        b"From: group: ann@site.test, bob@site.test;",
        b"From: ann@site.test (x) bob@site.test",
        b"X: " + b"x" * 200_000 + b"\r\nFrom: ann@site.test",
    ],
    ids=range(17),
)
def test_somebody_elses(header: bytes) -> None:
    assert not allowed(header + b"\r\n\r\nFrom: ann@site.test\r\n")
