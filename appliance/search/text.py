"""What of a message is searched: header fields, names of attachments, text of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.search.html import html_text
from appliance.search.mime import Message, Part, parse, unworded

MESSAGE_LIMIT = 2 * 1024 * 1024
"""Bytes of a message that are looked at."""
_PART_LIMIT = 512 * 1024
_TEXT_LIMIT = 512 * 1024
_FIELD_LIMIT = 64 * 1024

_TEXT_KINDS = frozenset({"", "message/delivery-status", "application/xml", "application/json"})
_ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]]{1,64}@[^\s<>,;:\"()\[\]]{1,255}")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,500})>")


@dataclass(frozen=True)
class Text:
    """What of a message is searched. `complete`: no limit was met.

    `senders` and `recipients` are the header fields as people read them, their addresses are in
    `from_addresses` and `to_addresses`; `message_id` is without brackets.
    """

    subject: str = ""
    senders: str = ""
    recipients: str = ""
    from_addresses: tuple[str, ...] = ()
    to_addresses: tuple[str, ...] = ()
    attachments: str = ""
    message_id: str = ""
    body: str = ""
    complete: bool = True


def extract(data: bytes) -> Text:
    """The text of a message, of its first MESSAGE_LIMIT bytes; never raises."""
    message = parse(data[:MESSAGE_LIMIT])
    senders = field_of(message, "from", "sender", "reply-to")
    recipients = field_of(message, "to", "cc", "bcc", "resent-to")
    found = _MESSAGE_ID.search(" ".join(message.headers.get("message-id", ())))
    body, complete = body_of(message.parts)
    return Text(
        subject=field_of(message, "subject"),
        senders=senders,
        recipients=recipients,
        from_addresses=_addresses(senders),
        to_addresses=_addresses(recipients),
        attachments="\n".join(part.name for part in message.parts if part.name)[:_FIELD_LIMIT],
        message_id=found.group(1) if found else "",
        body=body,
        complete=complete and message.complete and len(data) <= MESSAGE_LIMIT,
    )


def field_of(message: Message, *names: str) -> str:
    """The decoded values of header fields, each on a line."""
    values = [unworded(value) for name in names for value in message.headers.get(name, ())]
    return "\n".join(values)[:_FIELD_LIMIT]


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.lower() for found in _ADDRESS.findall(text)))


def body_of(parts: Iterable[Part]) -> tuple[str, bool]:
    """The text of those that are text, and whether that is all of it."""
    texts, room, complete = list[str](), _TEXT_LIMIT, True
    for part in parts:
        if not readable(part):
            continue
        text = part.text(_PART_LIMIT)
        if part.kind == "text/html":
            text = html_text(text)
        if len(text) > room or len(part.body) > _PART_LIMIT:
            complete = False
        texts.append(text[:room])
        room -= len(texts[-1])
        if room <= 0:
            break
    return "\n".join(texts), complete


def readable(part: Part) -> bool:
    """Whether a part is text."""
    kind = part.kind
    # A multipart that could not be split, or a kind nobody can make out, is text if anything.
    return (
        kind.startswith(("text/", "multipart/"))
        or kind in _TEXT_KINDS
        or ("/" not in kind and not part.name)
    )
