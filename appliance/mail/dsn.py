"""Delivery status notifications (RFC 3464 in RFC 6522 multipart/report; RFC 6533 for UTF-8).

Everything that came from outside passes `visible` or is encoded: nothing in an address, a
parameter or a remote reply can start a line, a field or a body part of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from appliance.mail.date import date_text
from appliance.mail.delivery_status import (
    MAX_ADDRESS,
    Stamp,
    answered_by,
    joined,
    message_fields,
    recipient_fields,
    reply_text,
)
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.notification import Action, Notice
from appliance.mail.queue_id import QueueId
from appliance.mail.returned import message_id, returned
from appliance.mail.visible import visible
from appliance.mail.work import NewMessage

MAX_DSN = 256 * 1024  # `NewMessage.content`
_MAX_REPORTS = 96 * 1024  # of that for recipients; more of them make another DSN
_MARGIN = 4 * 1024  # header fields and boundaries

_SUBJECT = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message is delayed",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was passed on",
    Action.EXPANDED: "Your message was passed on",
}
_EXPLANATION = {
    Action.FAILED: "Your message could not be delivered to:",
    Action.DELAYED: (
        "Your message has not been delivered yet. There is no need to send it again: the mail"
        " system keeps trying. So far it could not be delivered to:"
    ),
    Action.DELIVERED: "Your message was delivered to:",
    Action.RELAYED: "Your message was passed on to a mail system that reports no further, for:",
    Action.EXPANDED: "Your message was passed on to everybody behind:",
}


def build(
    envelope: Envelope,
    queue_id: QueueId,
    notices: Sequence[Notice],
    original: bytes,
    size: int,
    stamp: Stamp,
) -> tuple[NewMessage, ...]:
    """The messages that tell `envelope.sender` of `notices`: none, one, or more for very many.

    `original` is the content, or its beginning, of a message of `size` bytes. RET decides how
    much of it goes back: all of it only with a failure (RFC 3461 §4.3).
    """
    if not envelope.sender:
        return ()
    report = _Report(envelope, queue_id, original, size, stamp, _needs_utf8(envelope, notices))
    return tuple(
        report.message(group, number) for number, group in enumerate(report.groups(notices), 1)
    )


def _needs_utf8(envelope: Envelope, notices: Sequence[Notice]) -> bool:
    addresses = [envelope.sender, *(notice.recipient.address for notice in notices)]
    return envelope.smtputf8 or not all(map(str.isascii, addresses))


class _Report(msgspec.Struct, frozen=True):
    """Everything that the messages of one report share."""

    envelope: Envelope
    queue_id: QueueId
    original: bytes
    size: int
    stamp: Stamp
    utf8: bool

    def groups(self, notices: Sequence[Notice]) -> Iterator[list[Notice]]:
        """`notices` in portions that fit one message."""
        group: list[Notice] = []
        used = 0
        for notice in notices:
            fields = recipient_fields(notice, self.stamp, self.utf8)
            length = len(fields) + len(joined(self._told(notice)))
            if group and used + length > _MAX_REPORTS:
                yield group
                group, used = [], 0
            group.append(notice)
            used += length
        if group:
            yield group

    def message(self, notices: Sequence[Notice], number: int) -> NewMessage:
        content = self._content(notices, f"{self.stamp.token}.{number}")
        envelope = Envelope(
            sender="",  # RFC 5321 §4.5.5: nobody answers a report
            recipients=(Recipient(self.envelope.sender),),
            body="7BIT" if content.isascii() else "8BITMIME",
            # UTF-8 parts are but bodies; a UTF-8 address in the header needs the extension.
            smtputf8=not self.envelope.sender.isascii(),
            received_at=self.stamp.now,
        )
        return NewMessage(envelope, content)

    def _content(self, notices: Sequence[Notice], name: str) -> bytes:
        failed = any(notice.action is Action.FAILED for notice in notices)
        text = self._text_part(notices)
        status = self._status_part(notices)
        original = returned(
            self.original,
            self.size,
            full=failed and self.envelope.ret != "HDRS",
            utf8=self.envelope.smtputf8,
            room=MAX_DSN - _MARGIN - len(text) - len(status),
        )
        body = b"".join(
            b"\r\n--=_%s\r\n%s" % (name.encode(), part) for part in (text, status, original)
        )
        encoding = "7bit" if body.isascii() else "8bit"
        return self._header(notices, name, encoding) + body + f"\r\n--=_{name}--\r\n".encode()

    def _header(self, notices: Sequence[Notice], name: str, encoding: str) -> bytes:
        worst = next(action for action in Action if any(n.action is action for n in notices))
        cause = message_id(self.original)
        lines = [
            f"From: Mail Delivery System <{self.stamp.sender}>",
            f"To: <{visible(self.envelope.sender, MAX_ADDRESS)}>",
            f"Subject: {_SUBJECT[worst]}",
            f"Date: {date_text(self.stamp.now)}",
            f"Message-ID: <{name}@{self.stamp.node}>",
            *([f"In-Reply-To: {cause}", f"References: {cause}"] if cause else []),
            "Auto-Submitted: auto-replied",  # RFC 3834 §5
            "MIME-Version: 1.0",
            f"Content-Type: multipart/report; report-type={self._status_type()};",
            f'\tboundary="=_{name}"',
            f"Content-Transfer-Encoding: {encoding}",
        ]
        return joined(lines)

    def _text_part(self, notices: Sequence[Notice]) -> bytes:
        """The part for people (RFC 6522 §3)."""
        lines = [f"This is the mail system at {self.stamp.node}.", ""]
        for action in Action:
            told = [line for n in notices if n.action is action for line in self._told(n)]
            if told:
                lines += [*textwrap.wrap(_EXPLANATION[action], 76), "", *told]
        until = self.stamp.retry_until
        if until is not None and any(n.action is Action.DELAYED for n in notices):
            lines += [f"The mail system tries until {date_text(until)}.", ""]
        lines += ["A report for mail programs follows, then your message or its header."]
        charset = "utf-8" if self.utf8 else "us-ascii"
        return _part(f"text/plain; charset={charset}", "Notification", joined(lines))

    def _told(self, notice: Notice) -> list[str]:
        said = reply_text(notice.reply, self.utf8)
        if host := answered_by(notice):
            said = f"{host} said: {said}"
        if notice.expired:
            said = f"given up, it took too long. Last attempt: {said}"
        wrapped = textwrap.wrap(
            said, 76, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
        return [f"<{visible(notice.recipient.address, MAX_ADDRESS)}>", *wrapped, ""]

    def _status_part(self, notices: Sequence[Notice]) -> bytes:
        blocks = [message_fields(self.envelope, self.queue_id, self.stamp)]
        blocks += [recipient_fields(notice, self.stamp, self.utf8) for notice in notices]
        return _part(f"message/{self._status_type()}", "Delivery report", b"\r\n".join(blocks))

    def _status_type(self) -> str:
        return "global-delivery-status" if self.utf8 else "delivery-status"


def _part(content_type: str, description: str, content: bytes) -> bytes:
    encoding = "7bit" if content.isascii() else "8bit"
    header = [
        f"Content-Type: {content_type}",
        f"Content-Description: {description}",
        f"Content-Transfer-Encoding: {encoding}",
        "",
    ]
    return joined(header) + content
