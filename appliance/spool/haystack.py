"""Addresses of many messages in one piece of memory, which is searched from end to end.

A million messages are some 60 MB, and a search through them takes as long as reading them: tens of
milliseconds, for any part of an address. An index of parts would be larger than the text and would
have to be written to a disk for every message.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from appliance.mail.address import canonical, normal_domain
from appliance.spool.places import Place

_NEWEST = 50_000
"""So many of the newest messages tell whether a text is common."""
_COMMON = _NEWEST // 20
"""A text that occurs so often in them is: whoever looks at every message finds enough soon."""
_SENDER, _RECIPIENT = "\x01", "\x02"
_SENDER_ENDS, _RECIPIENT_ENDS = "\x03", "\x04"


class Haystack:
    """Messages are added, and never taken out: what has ended is for the searcher to see."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._starts = array("Q")
        self._keys = array("q")
        self._since = array("q")

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, since: int, key: int, sender: str, recipients: Iterable[str]) -> None:
        """Add a message, or more recipients of one that is here."""
        self._starts.append(len(self._text))
        self._since.append(since)
        self._keys.append(key)
        line = _spellings(sender, _SENDER, _SENDER_ENDS)
        for one in recipients:
            line += _spellings(one, _RECIPIENT, _RECIPIENT_ENDS)
        self._text += line.encode("utf-8", "surrogatepass")

    def find(self, needle: str, most: int) -> set[Place] | None:
        """Where the messages with this text stand; None if it is common, or in more than `most`."""
        found = set[Place]()
        text, starts, sought = self._text, self._starts, needle.encode("utf-8", "surrogatepass")
        if len(starts) > _NEWEST and text.count(sought, starts[-_NEWEST]) > _COMMON:
            return None
        at = text.find(sought)
        while at >= 0:
            index = bisect_right(starts, at) - 1
            found.add((self._since[index], self._keys[index]))
            if len(found) > most:
                return None
            if index + 1 == len(starts):
                break
            at = text.find(sought, starts[index + 1])
        return found


def text_needle(text: str) -> str:
    """Finds whatever has this text somewhere in an address; "" if it cannot be looked for."""
    folded = text.casefold()
    return "" if any(one < " " for one in folded) else folded


def sender_needle(pattern: str) -> str:
    """Finds what `wanted.Wanted` takes for this sender."""
    return _needle(pattern, _SENDER, _SENDER_ENDS)


def recipient_needle(pattern: str) -> str:
    """The same of a recipient."""
    return _needle(pattern, _RECIPIENT, _RECIPIENT_ENDS)


def _needle(pattern: str, begins: str, ends: str) -> str:
    if pattern.startswith("@."):
        needle = "." + normal_domain(pattern[2:])
    elif pattern.startswith("@"):
        needle = "@" + normal_domain(pattern[1:])
    else:
        needle = canonical(pattern)
    if any(one < " " for one in needle):
        return ""
    return needle + ends if pattern.startswith("@") else begins + needle + ends


def _spellings(address: str, begins: str, ends: str) -> str:
    """An address as people look for parts of it, and as it is compared as a whole."""
    folded, whole = address.casefold(), canonical(address)
    line = f"{begins}{folded}{ends}"
    return line if whole == folded else f"{line}{begins}{whole}{ends}"
