"""The ASCII theme: every character that reaches the terminal is ASCII, as wide as what it replaces.

A filter behind everything that draws, so neither screens, nor borders, nor foreign text need care.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

_SIGNS = {
    **dict.fromkeys("─━═╌╍┄┅┈┉╴╶╸╺▔▁▂▃‐‑–—−", "-"),
    **dict.fromkeys("│┃║╎╏┆┇┊┋╵╷╹╻▏▎▍▌▐▕", "|"),
    **dict.fromkeys("█▓▇▆▅▉▊▋", "#"),
    **dict.fromkeys("▄▀▒■◼", "="),
    **dict.fromkeys("░·•∙◦", "."),
    **dict.fromkeys("→▶►▸❯⮞", ">"),
    **dict.fromkeys("←◀◄◂❮", "<"),
    **dict.fromkeys("↑▲△▴", "^"),
    **dict.fromkeys("↓▼▽▾", "v"),
    **dict.fromkeys("●◉⬤✔✓", "*"),
    "↔": "-",
    **dict.fromkeys("○◯", "o"),
    **dict.fromkeys("✖✗✘×", "x"),
    **dict.fromkeys("‘’‚‹›", "'"),
    **dict.fromkeys("“”„«»", '"'),
    "…": "~",
    "≥": ">",
    "≤": "<",
    "±": "+",
    "\u00a0": " ",
}
CURSOR = "#00aaaa"
"""What lies behind the row or the button that has the cursor."""
_CURSOR = Color.parse(CURSOR)
_UNDER_CURSOR = Style(color="#000000", bold=False)


@lru_cache(4096)
def plain(text: str) -> str:
    """`text` in ASCII, of the same width in cells."""
    return text if text.isascii() else "".join(map(_plain, text))


@lru_cache(4096)
def _plain(character: str) -> str:
    if character.isascii():
        return character
    if sign := _SIGNS.get(character):
        return sign
    if "\u2500" <= character <= "\u257f":  # the corners and crossings of boxes
        return "+"
    width = cell_len(character)
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() and base.isprintable() and width == 1 else "?" * width


@lru_cache(4096)
def legible(style: Style | None) -> Style | None:
    """All is black under the cursor; a VGA console shows what is black and bold in dark grey."""
    if style is None or style.bgcolor is None or style.bgcolor.triplet != _CURSOR.rgb:
        return style
    return style + _UNDER_CURSOR


class Ascii(LineFilter):
    """Puts `plain` text, and `legible`, in the place of all text."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(plain(text), legible(style), control) for text, style, control in segments]
