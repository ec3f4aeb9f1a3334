"""The Message-ID that stands in the log is that of the header, or none."""

from __future__ import annotations

import pytest

from appliance.smtpd.reception import _message_id


@pytest.mark.parametrize(
    "content, wanted",
    [
        (b"Message-ID: <a@b>\r\n\r\nx", "<a@b>"),
        (b"Subject: x\r\nmessage-id:<a@b> (comment)\r\n\r\n", "<a@b>"),
        (b"Subject: x\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\n", "<a@b>"),
        (b"Subject: x\r\n\r\nMessage-ID: <body@b>\r\n", ""),
        (b"X-Message-ID: <a@b>\r\n\r\n", ""),
        (b"Message-ID: none\r\n\r\n", ""),
        (b"Message-ID: <" + b"x" * 300 + b">\r\n\r\n", ""),
        (b"Message-ID: <\xff@b>\r\n\r\n", "<\ufffd@b>"),
        (b"", ""),
        (b"Subject: " + b"x" * 20_000 + b"\r\nMessage-ID: <late@b>\r\n\r\n", ""),
    ],
)
def test_what_is_found(content: bytes, wanted: str) -> None:
    assert _message_id(content) == wanted
