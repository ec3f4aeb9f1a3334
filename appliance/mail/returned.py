"""The original message as the last part of a report (RFC 6522 §3, RFC 6533 §4)."""

from __future__ import annotations

import re

from appliance.mail.trace import split_content

MAX_LINE = 998  # RFC 5322 §2.1.1, without CRLF
MAX_HEADER = 64 * 1024  # of a returned header: longer ones are an attack, not a message

_LINE_END = re.compile(rb"\r\n|\r|\n")
_MESSAGE_ID = re.compile(rb"(?:\A|\n)message-id:[ \t]*(?:\r\n[ \t]+)?(<[!-;=?-~]{1,250}>)", re.I)


def returned(original: bytes, size: int, full: bool, utf8: bool, room: int) -> bytes:
    """The body part for `original`, the beginning of a content of `size` bytes.

    `full` returns as much of it as fits in `room` bytes, else the header fields only. `utf8`:
    it is an SMTPUTF8 message. Whatever the original holds, the part has CRLF line ends only,
    no NUL and no line over 998 octets.
    """
    header, body = _clean(original[:room], utf8)
    if not full:
        content = _cut(header, min(room, MAX_HEADER))
        kind = b"message/global-headers" if utf8 else b"text/rfc822-headers"
        what = b"Header fields of the message"
    else:
        whole = header + b"\r\n" + body
        content = _cut(whole, room)
        kind = b"message/global" if utf8 else b"message/rfc822"
        what = b"The message"
        if size > min(room, len(original)) or len(content) < len(whole):
            what = b"The beginning of the message (%d bytes in all)" % size
    encoding = b"7bit" if content.isascii() else b"8bit"
    return (
        b"Content-Type: %s\r\nContent-Description: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s"
        % (kind, what, encoding, content)
    )


def message_id(original: bytes) -> str:
    """The Message-ID of `original` with its brackets; "" if it has none that is safe to repeat."""
    header, _ = split_content(original[:MAX_HEADER])
    match = _MESSAGE_ID.search(header)
    return match[1].decode("ascii") if match else ""


def _clean(content: bytes, utf8: bool) -> tuple[bytes, bytes]:
    content = content.replace(b"\0", b"?")
    if not content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n"):
        content = _LINE_END.sub(b"\r\n", content)
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    header, body = split_content(content)
    if utf8:
        header = header.decode("utf-8", "replace").encode()
    # A folded header line stays one field only if what goes on is indented.
    return _fitted(header, b"\r\n "), _fitted(body, b"\r\n")


def _fitted(content: bytes, separator: bytes) -> bytes:
    lines = content.split(b"\r\n")
    if max(map(len, lines)) <= MAX_LINE:
        return content
    return b"\r\n".join(
        line if len(line) <= MAX_LINE else broken(line, separator) for line in lines
    )


def broken(line: bytes, separator: bytes) -> bytes:
    """`line` in pieces that fit, none ending inside a UTF-8 character."""
    pieces = []
    start = 0
    while start < len(line):
        end = start + MAX_LINE - 1
        if end < len(line):
            for _ in range(3):
                end -= line[end] & 0xC0 == 0x80
        pieces.append(line[start:end])
        start = end
    return separator.join(pieces)


def _cut(content: bytes, room: int) -> bytes:
    """`content` without the lines that don't fit in `room` bytes."""
    if len(content) <= room:
        return content
    end = content.rfind(b"\r\n", 0, room)
    return content[: end + 2] if end >= 0 else b""
