"""Content on its way out: dot-stuffed, and certainly without a line end that is not CRLF."""

from __future__ import annotations

from appliance.mail.lines import only_crlf


class DamagedContent(Exception):
    """Stored content that must not be sent: it holds a bare CR or LF."""


class DotStuffer:
    """Makes of content what DATA wants (RFC 5321 §4.5.2), wherever its blocks are cut.

    A CR at the end of a block is kept back, so no CRLF is ever seen in halves. Only what cannot
    be taken for the end of data gets out: a bare CR or LF would let a lenient server see another
    end than a strict one, and the rest as commands nobody sent (SMTP smuggling).
    """

    def __init__(self) -> None:
        self._kept = b""
        self._line_start = True

    def block(self, chunk: bytes) -> bytes:
        """What to send for `chunk`; raises DamagedContent."""
        data = self._kept + chunk
        self._kept = b""
        if data.endswith(b"\r"):
            self._kept = b"\r"
            data = data[:-1]
        if not data:
            return b""
        if not only_crlf(data):
            raise DamagedContent("a line of the stored content does not end with CRLF")
        dot = b"." if self._line_start and data.startswith(b".") else b""
        self._line_start = data.endswith(b"\r\n")
        return dot + data.replace(b"\r\n.", b"\r\n..")

    def end(self) -> bytes:
        """The final dot on a line of its own (§4.1.1.4); raises DamagedContent."""
        if self._kept:
            raise DamagedContent("the stored content ends with a bare CR")
        return b".\r\n" if self._line_start else b"\r\n.\r\n"


def stuffed(content: bytes) -> bytes:
    """Whole content with its final dot; raises DamagedContent."""
    stuffer = DotStuffer()
    return stuffer.block(content) + stuffer.end()
