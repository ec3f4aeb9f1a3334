"""The text of a hit around what was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from appliance.search.words import spans

_LOOKED_AT = 64 * 1024
_BEFORE, _LENGTH = 60, 200
Meant = Sequence[tuple[str, bool]]
"""Folded words, and whether each is only a beginning."""


def snippet(text: str, meant: Meant) -> list[tuple[str, bool]]:
    """Pieces of `text` on one line, with whether each is what was meant."""
    flat = " ".join(text[:_LOOKED_AT].split())
    first = _first(flat, meant)
    start = max(0, first - _BEFORE)
    if start:
        start = flat.find(" ", start, first) + 1 or start
    window = flat[start : start + _LENGTH]
    pieces = [("… ", False)] if start else []
    done = 0
    for begin, end, word in spans(window):
        if _is_meant(word, meant):
            pieces += [(window[done:begin], False), (window[begin:end], True)]
            done = end
    pieces.append((window[done:], False))
    if start + _LENGTH < len(flat):
        pieces.append((" …", False))
    return [piece for piece in pieces if piece[0]]


def _first(flat: str, meant: Meant) -> int:
    """Where the first word that is meant begins; 0 if there is none."""
    if not meant:
        return 0
    if flat.isascii():
        some = "|".join(re.escape(word) + ("" if part else r"(?![a-z0-9])") for word, part in meant)
        found = re.search(rf"(?<![a-z0-9])(?:{some})", flat.lower())
        return found.start() if found else 0
    return next((begin for begin, _, word in spans(flat) if _is_meant(word, meant)), 0)


def _is_meant(word: str, meant: Meant) -> bool:
    return any(word.startswith(one) if part else word == one for one, part in meant)
