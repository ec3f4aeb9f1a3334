"""Foreign text made fit to be seen: the one function it passes before a terminal, log or page."""

from __future__ import annotations

import unicodedata

# Zero-width (non-)joiners are spelling in Persian and in emoji; they move nothing about.
_KEPT = frozenset("\u200c\u200d")


def visible(foreign: str | bytes, limit: int) -> str:
    r"""`foreign` as one line of at most `limit` (≥ 1) characters, cut with "…" if longer.

    Control characters, escape sequences, line ends, bidi controls, surrogates, private and
    unassigned characters and undecodable bytes come out as escapes such as `\x1b`. Markup of
    a page or of a terminal library is not escaped here: that is the page's own business.
    """
    if isinstance(foreign, bytes):
        # UTF-8 takes four bytes a character at most: what is cut off here is over the limit.
        foreign = foreign[: 4 * limit + 4].decode("utf-8", "backslashreplace")
    text = foreign[: limit + 1]
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    if character < "\x80":
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
