"""Reports to look at."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message

from appliance.mail import dsn
from appliance.mail.delivery_status import Stamp
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.notification import Action, Notice
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Reply
from appliance.mail.work import NewMessage

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
JÖRG = Recipient("jörg@müller.example", (), "utf-8;jörg@müller.example")
UTF8_ORIGINAL = "From: ünal@site.test\r\nSubject: Grüße\r\n\r\nHallo Jörg\r\n".encode()


def international() -> NewMessage:
    made = envelope(JÖRG, sender="ünal@site.test", smtputf8=True)
    notice = Notice(JÖRG, Action.FAILED, Reply(550, "5.1.1", "kein Jörg"), HOP)
    return build(made, [notice], UTF8_ORIGINAL)


def international_headers() -> NewMessage:
    made = envelope(JÖRG, smtputf8=True, ret="HDRS")
    notice = Notice(JÖRG, Action.FAILED, Reply(550, "5.1.1", "kein Jörg"), HOP)
    return build(made, [notice], UTF8_ORIGINAL)


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
