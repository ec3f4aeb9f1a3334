"""Who a message says it is from: the addresses of its From field (RFC 5322 §3.6.2)."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import getaddresses

from appliance.mail.reply import Refused, Reply
from appliance.mail.trace import split_content

_LONGEST = 200_000
"""Bytes of a header."""
_SEVERAL = Reply(550, "5.6.0", "The message needs one From field")
_UNREADABLE = Reply(550, "5.6.0", "The From field cannot be read")
_NOT_YOURS = Reply(550, "5.7.1", "You may not send with this From address")


def check_author(content: bytes, may_use: Callable[[str], bool]) -> None:
    """Raises Refused unless there is one From field, and `may_use` says yes to all it names.

    `content` begins with the header; one that is longer than anybody's is not read to its end.
    """
    if content.find(b"\r\n\r\n", 0, _LONGEST) < 0 <= len(content) - _LONGEST:
        raise Refused(_UNREADABLE)
    fields = _fields(split_content(content)[0], b"from")
    if len(fields) != 1:
        raise Refused(_SEVERAL)
    try:
        addresses = [address for _, address in getaddresses([fields[0].decode()])]
    except UnicodeDecodeError:
        raise Refused(_UNREADABLE) from None
    if not addresses or not all("@" in address for address in addresses):
        raise Refused(_UNREADABLE)
    if not all(map(may_use, addresses)):
        raise Refused(_NOT_YOURS)


def _fields(header: bytes, wanted: bytes) -> list[bytes]:
    """The values of all fields of that name, unfolded."""
    unfolded = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    found = []
    for line in unfolded.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.rstrip(b" \t").lower() == wanted:
            found.append(value)
    return found
