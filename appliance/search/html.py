"""The words a reader of an HTML part would see; linear in its length, whatever is in it."""

from __future__ import annotations

import html
import re

_UNSEEN = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"), ("<title", "</title"))
# Tags inside a word do not part it.
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|em|font|i|mark|o:p|s|small|span|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<(?:br|hr|/p|/div|/h[1-6]|/li|/tr|/table)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[!/?a-zA-Z][^<>]*>?")


def html_text(source: str) -> str:
    """The text of an HTML document or of a piece of one."""
    for start, end in _UNSEEN:
        source = _without(source, start, end)
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", _INLINE.sub("", source))))


def _without(source: str, start: str, end: str) -> str:
    """Cut from each `start` to the `end` behind it, or to the end of all."""
    lowered = source.lower()
    at = lowered.find(start)
    if at < 0:
        return source
    if len(lowered) != len(source):  # a few characters grow in lower case
        source = lowered
    kept, done = [], 0
    while at >= 0:
        kept.append(source[done:at])
        stop = lowered.find(end, at + len(start))
        if stop < 0:
            return " ".join(kept)
        done = lowered.find(">", stop) + 1 or len(source)
        at = lowered.find(start, done)
    kept.append(source[done:])
    return " ".join(kept)
