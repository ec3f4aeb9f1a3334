"""A message as one may look at it without harm: no markup, no control characters, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from appliance.ipc.search import Attachment, MessagePreview
from appliance.mail.feed import Mail
from appliance.mail.visible import visible
from appliance.search.mime import Part, parse
from appliance.search.text import MESSAGE_LIMIT, body_of, field_of, readable

_FIELD, _NAME, _TYPE = 2_000, 255, 100
_LINE, _LINES, _TEXT = 2_000, 5_000, 128 * 1024
"""Characters of a line, lines, and characters of all of the text that are shown."""
_GAP = re.compile(r"\n{3,}")


def preview(mail: Mail, data: bytes) -> MessagePreview:
    """What there is to see in a message of which `data` is the beginning; never raises."""
    data = data[:MESSAGE_LIMIT]
    message = parse(data)
    text, whole = body_of([part for part in _chosen(message.parts) if not part.name])
    shown, all_of_it = _shown(text)
    cut = len(data) < mail.size

    def header(name: str) -> str:
        return visible(" ".join(field_of(message, name).split()), _FIELD)

    return MessagePreview(
        queue_id=mail.queue_id,
        sender=header("from"),
        to=header("to"),
        cc=header("cc"),
        subject=header("subject"),
        date=header("date"),
        size=mail.size,
        text=shown,
        attachments=tuple(_attachments(message.parts, cut)),
        complete=whole and all_of_it and message.complete and not cut,
    )


def _chosen(parts: Sequence[Part]) -> Iterator[Part]:
    """Without the HTML that says once more what plain text has said."""
    plain = {
        part.choice
        for part in parts
        if part.kind == "text/plain" and bytes(part.body[:4096]).strip()
    }
    for part in parts:
        if not part.choice or part.kind != "text/html" or part.choice not in plain:
            yield part


def _says_something(part: Part) -> bool:
    return bool(bytes(part.body[:4096]).strip())


def _attachments(parts: Sequence[Part], cut: bool) -> Iterator[Attachment]:
    for part in parts:
        if part.name or not readable(part):
            last = cut and part is parts[-1]
            yield Attachment(
                name=visible(part.name, _NAME),
                type=visible(part.kind, _TYPE),
                size=None if last else part.size,
            )


def _shown(text: str) -> tuple[str, bool]:
    """The text line by line, and whether that is all of it."""
    lines = [" ".join(line.split()) for line in text[: _TEXT + 1].splitlines()]
    tidy = _GAP.sub("\n\n", "\n".join(lines[:_LINES])).strip("\n")
    shown = "\n".join(visible(line, _LINE) for line in tidy.split("\n"))
    return shown[:_TEXT], len(text) <= _TEXT and len(lines) <= _LINES and len(shown) <= _TEXT
