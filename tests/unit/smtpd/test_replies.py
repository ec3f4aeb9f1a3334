"""Replies on the wire (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

import re

import pytest

from appliance.mail.reply import Reply
from appliance.smtpd import replies
from appliance.smtpd.decoder import Defect


@pytest.mark.parametrize(
    "reply, wire",
    [
        (Reply(250, "2.0.0", "Ok"), b"250 2.0.0 Ok\r\n"),
        (Reply(354, "", "Go on"), b"354 Go on\r\n"),
        (Reply(250, "", ""), b"250\r\n"),
        (Reply(550, "5.1.1", "No\r\nuser"), b"550-5.1.1 No\r\n550 5.1.1 user\r\n"),
        (Reply(451, "4.3.0", "gr\u00fcn \x85 next"), b"451-4.3.0 gr?n\r\n451 4.3.0  next\r\n"),
    ],
)  # fmt: skip
def test_every_line_of_a_reply_carries_its_codes(reply: Reply, wire: bytes) -> None:
    assert replies.encode(reply) == wire


def test_own_replies_are_well_formed() -> None:
    own = [value for value in vars(replies).values() if isinstance(value, Reply)]
    own += replies.DEFECTS.values()
    assert len(own) > 20
    for reply in own:
        assert reply.enhanced.startswith(f"{reply.code // 100}.")
        assert re.fullmatch(rb"\d{3} \d\.\d\.\d+ [ -~]+\r\n", replies.encode(reply))
    assert set(replies.DEFECTS) == set(Defect)
    for wire in (value for value in vars(replies).values() if isinstance(value, bytes)):
        assert re.fullmatch(rb"354 [ -~]+\r\n|(2)\d\d \1\.\d\.\d [ -~]+\r\n", wire)
