"""Which mail may wait for other mail: bulk behind what people wait for. Decided at acceptance."""

from __future__ import annotations

import re

from appliance.mail.envelope import Envelope

MANY_RECIPIENTS = 10
LARGE = 256 * 1024
"""Bytes."""
_USER_SHARE = 10
"""A user who has logged in may have so many times more recipients and bytes."""
_HEADER_LIMIT = 64 * 1024
_SAYS_SO = re.compile(
    # RFC 3834 §2 and RFC 2076 §3.9; RFC 2919, RFC 2369, RFC 8058: what mailing lists add
    rb"(?im)^(?:precedence:[ \t]*(?:bulk|list|junk)\b|list-(?:id|unsubscribe|post):)"
)
_BULK_SENDER = re.compile(
    r"(?i)(?:owner-[^@]*|[^@]*-(?:owner|bounces?|request|errors))(?:[+=][^@]*)?@"
)


def bulk(envelope: Envelope, size: int, start: bytes) -> bool:
    """Whether a message of `size` bytes that begins with `start` may wait for interactive mail.

    It is bulk if its header says so, if a list sent it, if it has many recipients or is large.
    """
    share = _USER_SHARE if envelope.user is not None else 1
    if len(envelope.recipients) > MANY_RECIPIENTS * share or size > LARGE * share:
        return True
    if _BULK_SENDER.match(envelope.sender):
        return True
    end = start.find(b"\r\n\r\n", 0, _HEADER_LIMIT)
    return _SAYS_SO.search(start, 0, end if end >= 0 else _HEADER_LIMIT) is not None
