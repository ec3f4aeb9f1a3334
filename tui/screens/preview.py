"""A look at what a message says, made harmless by the node and once more here."""

from __future__ import annotations

from textual.content import Content

from appliance.ipc.search import MessagePreview
from appliance.mail.figures import bytes_text
from tui.text import LINE, foreign, lines

_LINES = 500


def preview_text(seen: MessagePreview) -> Content:
    """Header, attachments and text."""
    fields = (
        ("subject", seen.subject),
        ("from", seen.sender),
        ("to", seen.to),
        ("cc", seen.cc),
        ("date", seen.date),
    )
    told = [
        Content.assemble((label.ljust(12), "$quiet"), foreign(value, LINE))
        for label, value in fields
        if value
    ]
    for one in seen.attachments:
        size = "" if one.size is None else f", {bytes_text(one.size)}"
        name = foreign(one.name, 120) if one.name else Content("without a name")
        told.append(
            Content.assemble(
                ("attachment".ljust(12), "$quiet"), name, " (", foreign(one.type, 60), f"{size})"
            )
        )
    text = seen.text.split("\n")
    told += [Content(), *(foreign(line, 2000) for line in text[:_LINES])]
    if len(text) > _LINES or not seen.complete:
        told.append(Content.assemble(("… there is more of it", "$quiet")))
    return lines(told)
