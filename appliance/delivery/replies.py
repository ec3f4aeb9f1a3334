"""Reads SMTP replies off the wire (RFC 5321 §4.2), trusting nothing in them."""

from __future__ import annotations

import re
from functools import lru_cache

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
        self._lines: list[Reply] = []
        self._code = b""
        self._length = 0

    @property
    def pending(self) -> bool:
        """Whether a part of a reply has come."""
        return bool(self._buffer or self._code)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes; raises BadReply."""
        self._buffer += data
        replies: list[Reply] = []
        start = 0
        while match := _LINE.match(self._buffer, start):
            code, mark, text = match.groups(b"")
            length = match.end() - start
            start = match.end()
            if length > MAX_LINE:
                raise BadReply("reply line too long")
            if mark != b"-" and not self._code:
                replies.append(_single(code, text))
            else:
                self._take(code, text, length)
                if mark != b"-":
                    replies.append(self._finish())
        rest = len(self._buffer) - start
        if rest > MAX_LINE or self._buffer.find(b"\n", start) >= 0:
            raise BadReply(f"not an SMTP reply: {visible(bytes(self._buffer[start:]), 80)}")
        del self._buffer[:start]
        return replies

    def _take(self, code: bytes, text: bytes, length: int) -> None:
        self._length += length
        if self._length > MAX_REPLY:
            raise BadReply("reply too long")
        if self._code and code != self._code:
            raise BadReply(f"a reply that begins with {self._code!r} goes on with {code!r}")
        self._code = code
        self._lines.append(_single(code, text))

    def _finish(self) -> Reply:
        first = self._lines[0]
        text = "\n".join([line.text for line in self._lines])[:MAX_TEXT]
        self._lines = []
        self._code = b""
        self._length = 0
        return Reply(first.code, first.enhanced, text)


# Servers say the same few things again and again.
@lru_cache(maxsize=512)
def _single(code: bytes, text: bytes) -> Reply:
    """A reply of one line; the status code stands on every line, if on any (RFC 2034 §3)."""
    line = visible(text, MAX_TEXT)
    enhanced = _ENHANCED.match(line)
    # One that says another class than the reply code is no status code.
    if enhanced and enhanced[1][0] == chr(code[0]):
        return Reply(int(code), enhanced[1], line[enhanced.end() :])
    return Reply(int(code), "", line)
