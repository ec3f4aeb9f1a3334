"""Words as they are indexed and asked for: folded, without marks, in order."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64
"""Characters of a word that count; the rest is cut off, in mail and in questions alike."""

# Scripts written without spaces: each character is a word, and a question of several a phrase.
_ALONE = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PLAIN = {number: chr(number).lower() if chr(number).isalnum() else " " for number in range(128)}
_ANY = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")
_SHOWN = re.compile(rf"[{_ALONE}]|(?:[^\W_{_ALONE}][\u0300-\u036f]*)+")
TOKENS = r"[^\W_]+"
"""What a stock Whoosh tokenizer needs to know to ask most of the same questions."""


def fold(text: str) -> str:
    """Without case, accents and typographic variants: "Müller" and "MULLER" are one."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join([one for one in plain if not unicodedata.combining(one)]).casefold()


def words(text: str) -> list[str]:
    """The words of `text` in order, ready to be indexed."""
    if text.isascii():
        found = text.translate(_PLAIN).split()
    else:
        folded = fold(text)
        found = folded.translate(_PLAIN).split() if folded.isascii() else _ANY.findall(folded)
    if max(map(len, found), default=0) > LONGEST:
        return [word[:LONGEST] for word in found]
    return found


def spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, folded) of each word, to find in `text` what a question meant."""
    return [
        (match.start(), match.end(), folded)
        for match in _SHOWN.finditer(text)
        for folded in words(match.group())[:1]
    ]
