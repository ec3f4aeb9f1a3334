"""Text for the screen. Whatever comes from outside passes `foreign`: no widget gets it as a str.

A `str` is markup to Textual's widgets; a `Content` never is. So widgets here take `Content` only.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from textual.content import Content
from textual.style import Style

from appliance.mail.visible import visible

CELL = 80
"""Characters of a foreign value in a table."""
LINE = 500
"""Characters of a foreign value in a text."""
EMPTY = Content()
_MARKS = 2
"""Combining marks on one character; more of them only draw over other lines."""


def foreign(text: str | bytes, limit: int = CELL, style: str | Style = "") -> Content:
    """Text from outside as it may be shown: one line, no markup, nothing that steers a terminal."""
    shown = visible(text, limit)
    if not shown.isascii():
        shown = _settled(shown)
    return Content.assemble((shown, style)) if style else Content(shown)


def join(parts: list[Content], between: str = "  ") -> Content:
    """Parts beside each other, the empty ones left out."""
    return Content(between).join([one for one in parts if one])


def lines(parts: list[Content]) -> Content:
    """Parts below each other."""
    return Content("\n").join(parts)


def moment(milliseconds: int) -> str:
    """A moment of the wall clock, in UTC: "2026-11-28 12:00:05"."""
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "at no time"


def _settled(text: str) -> str:
    """Without what has another width in one terminal than in the next, which would shift a row."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks += 1
            # Variation selectors (Mn) make some terminals draw a character wider.
            if marks > _MARKS or 0xFE00 <= ord(character) <= 0xFE0F:
                continue
        elif category == "Cf":  # joiners: without them emoji are drawn one by one
            continue
        else:
            marks = 0
        kept.append(character)
    return "".join(kept)
