"""Line ends of message text (RFC 5321 §2.3.8)."""

from __future__ import annotations


def only_crlf(text: bytes) -> bool:
    """Whether each CR of `text` stands before an LF, and each LF behind a CR.

    Of bytes `splitlines` makes a line at CR, LF and CRLF only. There are as many ends of lines as
    CR and LF, less one for each CRLF: as many as CR and as LF only if all of them are pairs.
    Counting pairs, or splitting at them, takes half as long again.
    """
    ends = len(text.splitlines())
    if ends and not text.endswith((b"\r", b"\n")):
        ends -= 1
    return ends == text.count(b"\r") == text.count(b"\n")
