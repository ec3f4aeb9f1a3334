"""The part of a DSN for programs: message/delivery-status (RFC 3464 §2, RFC 6533 §4)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import msgspec

from appliance.mail import xtext
from appliance.mail.date import date_text
from appliance.mail.disposition import Stage, Trouble, with_status
from appliance.mail.envelope import Envelope
from appliance.mail.notification import HERE, Action, Notice
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Reply
from appliance.mail.returned import MAX_LINE, broken
from appliance.mail.visible import visible

MAX_ADDRESS = 320  # characters shown: more than a path may have
_MAX_PARAMETER = 500
_MAX_REPLY = 500

_NO_NAME = re.compile(r"[^A-Za-z0-9._:\[\]-]")
# What we say ourselves when no reply came (`disposition.unreachable`) is no SMTP diagnostic.
_OWN_WORDS = frozenset((451, trouble.value) for trouble in Trouble)
_EXPIRED = "4.4.7"  # RFC 3463 §3.5


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What a report needs besides the mail.

    `node` is the reporting host's name, `sender` the address people may write to, `token` up
    to 40 letters and digits that were never used and that nobody can guess (the boundary and
    the Message-ID come from it). `now` is when it was tried, `retry_until` until when it will
    be, in wall-clock milliseconds.
    """

    node: str
    sender: str
    token: str
    now: int
    retry_until: int | None = None


def message_fields(envelope: Envelope, queue_id: QueueId, stamp: Stamp) -> bytes:
    """The per-message fields (§2.2)."""
    fields = []
    if envelope.envid is not None:
        fields.append(f"Original-Envelope-Id: {_decoded_xtext(envelope.envid)}")
    fields += [f"Reporting-MTA: dns; {stamp.node}", f"X-Twinpost-Queue-Id: {queue_id}"]
    if envelope.helo:
        fields.append(f"Received-From-MTA: dns; {_name(envelope.helo)}")
    fields.append(f"Arrival-Date: {date_text(envelope.received_at)}")
    return joined(fields)


def recipient_fields(notice: Notice, stamp: Stamp, utf8: bool) -> bytes:
    """The per-recipient fields (§2.3); `utf8`: they stand in message/global-delivery-status."""
    fields = []
    if notice.recipient.orcpt is not None:
        fields.append(f"Original-Recipient: {_original_recipient(notice.recipient.orcpt, utf8)}")
    fields += [
        f"Final-Recipient: {_final_recipient(notice.recipient.address, utf8)}",
        f"Action: {notice.action.value}",
        f"Status: {_status(notice)}",
    ]
    if notice.remote and notice.remote not in HERE:
        fields.append(f"Remote-MTA: dns; {_hop(notice)}")
    kind = "smtp" if answered_by(notice) else "x-twinpost"
    fields += [
        f"Diagnostic-Code: {kind}; {reply_text(notice.reply, utf8)}",
        f"Last-Attempt-Date: {date_text(stamp.now)}",
    ]
    if notice.action is Action.DELAYED and stamp.retry_until is not None:
        fields.append(f"Will-Retry-Until: {date_text(stamp.retry_until)}")
    return joined(fields)


def answered_by(notice: Notice) -> str:
    """The host whose answer `notice.reply` is; "" if the words are our own."""
    if not notice.remote or notice.remote in HERE:
        return ""
    return "" if (notice.reply.code, notice.reply.enhanced) in _OWN_WORDS else _hop(notice)


def reply_text(reply: Reply, utf8: bool) -> str:
    """`reply` as one line that is safe to show."""
    text = visible(" ".join(str(reply).split()), _MAX_REPLY)
    return text if utf8 else _ascii(text)


def joined(lines: Sequence[str]) -> bytes:
    """`lines` ended by CRLF; one that is too long is folded (RFC 5322 §2.2.3)."""
    return b"".join(
        (line if len(line) <= MAX_LINE else broken(line, b"\r\n ")) + b"\r\n"
        for line in map(str.encode, lines)
    )


def _final_recipient(address: str, utf8: bool) -> str:
    address = visible(address, MAX_ADDRESS)
    if address.isascii():
        return f"rfc822; {address}"
    return f"utf-8; {xtext.encode_utf8_address(address, ascii_only=not utf8)}"


def _original_recipient(orcpt: str, utf8: bool) -> str:
    """ORCPT as §2.3.1 wants it: decoded, but that a UTF-8 address has forms of its own."""
    kind, _, value = orcpt.partition(";")
    kind = _name(kind)
    if kind.lower() != "utf-8":
        return f"{kind}; {_decoded_xtext(value)}"
    with contextlib.suppress(ValueError):
        value = xtext.decode_utf8_address(value)
    address = visible(value, _MAX_PARAMETER)
    return f"{kind}; {xtext.encode_utf8_address(address, ascii_only=not utf8)}"


def _decoded_xtext(value: str) -> str:
    with contextlib.suppress(ValueError):  # then it is shown as it came
        value = xtext.decode(value)
    return _ascii(visible(value, _MAX_PARAMETER))


def _status(notice: Notice) -> str:
    return _EXPIRED if notice.expired else with_status(notice.reply, Stage.CONTENT).enhanced


def _hop(notice: Notice) -> str:
    return _name(notice.remote.partition("[")[0])


def _name(text: str) -> str:
    return _NO_NAME.sub("?", text)[:255]


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
