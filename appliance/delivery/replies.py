"""Reads SMTP replies off the wire (RFC 5321 §4.2), trusting nothing in them."""

from __future__ import annotations

import re

from appliance.mail.reply import Reply
from appliance.mail.visible import visible

MAX_LINE = 4096  # RFC 5321 §4.5.3.1.5 allows 512; real servers write longer ones
MAX_REPLY = 32768
MAX_TEXT = 1000  # characters kept: what ends up in the journal, the log and a DSN

# §4.2: the code alone is a valid last line. Only CRLF ends a line (§2.3.8).
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r\n")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")  # RFC 2034 §4


class BadReply(Exception):
    """The peer wrote something that is no SMTP reply; the connection is of no more use."""


class ReplyReader:
    """Collects bytes and gives whole replies; its memory is bounded by `MAX_REPLY`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = b""
        self._enhanced = ""
        self._length = 0

    @property
    def pending(self) -> bool:
        """Whether a part of a reply has come."""
        return bool(self._buffer or self._code)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes; raises BadReply."""
        self._buffer += data
        replies = []
        start = 0
        while match := _LINE.match(self._buffer, start):
            start = match.end()
            self._take(match[1], match[3] or b"", match.end() - match.start())
            if match[2] != b"-":
                replies.append(self._finish())
        rest = len(self._buffer) - start
        if rest > MAX_LINE or self._buffer.find(b"\n", start) >= 0:
            raise BadReply(f"not an SMTP reply: {visible(bytes(self._buffer[start:]), 80)}")
        del self._buffer[:start]
        return replies

    def _take(self, code: bytes, text: bytes, length: int) -> None:
        self._length += length
        if self._length > MAX_REPLY or length > MAX_LINE:
            raise BadReply("reply too long")
        if self._code and code != self._code:
            raise BadReply(f"a reply that begins with {self._code!r} goes on with {code!r}")
        line = visible(text, MAX_TEXT)
        # The status code stands on every line, and says the same class as the reply code.
        enhanced = _ENHANCED.match(line)
        if enhanced and enhanced[1][0] == chr(code[0]):
            line = line[enhanced.end() :]
            self._enhanced = self._enhanced or enhanced[1]
        self._code = code
        self._lines.append(line)

    def _finish(self) -> Reply:
        reply = Reply(int(self._code), self._enhanced, "\n".join(self._lines)[:MAX_TEXT])
        self._lines = []
        self._code = b""
        self._enhanced = ""
        self._length = 0
        return reply
