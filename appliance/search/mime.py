"""A message taken apart (RFC 5322, 2045-2047, 2231): bounded work, and nothing it is refused for.

Mail that is searched for is often broken mail. What does not parse is taken for text, so that it
can still be found; no input raises.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

_PARTS = 200
_DEPTH = 10
_HEADER_BLOCK = 128 * 1024
_HEADERS = 500
_VALUE = 16 * 1024
_PARAMETERS = 4096
_FALSE_BOUNDARIES = 1000

_BLANK = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FIELD = re.compile(rb"^([!-9;-~]{1,100})[ \t]*:[ \t]*(.*)$")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]{0,4000})\?=")
_BETWEEN = re.compile(r"(\?=)\s+(=\?)")
_PARAMETER = re.compile(r";\s*([\w*.-]{1,60})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]*))")
_QUOTED = re.compile(r"\\(.)")
# Codecs that are not charsets, or take quadratic time.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


@dataclass(frozen=True)
class Part:
    """A leaf of a message. `kind` is its media type in lower case, `name` its file name or "".

    `choice`: leaves with the same number but 0 are alternatives of one another (RFC 2046 §5.1.4).
    """

    headers: Mapping[str, str]
    kind: str
    charset: str
    encoding: str
    name: str
    body: memoryview
    choice: int = 0

    @property
    def size(self) -> int:
        """Bytes of the decoded content, near enough."""
        if self.encoding == "base64":
            data = bytes(self.body).translate(None, b" \t\r\n").rstrip(b"=")
            return len(data) * 3 // 4
        return len(self.body)

    def content(self, limit: int) -> bytes:
        """The decoded content, `limit` bytes of it at most."""
        if self.encoding == "base64":
            return _from_base64(bytes(self.body[: limit * 3 // 2]))[:limit]
        raw = bytes(self.body[:limit])
        return binascii.a2b_qp(raw) if self.encoding == "quoted-printable" else raw

    def text(self, limit: int) -> str:
        """The content as text."""
        return decoded(self.content(limit), self.charset)


@dataclass
class Message:
    """The header of a message, and its leaves in order. `complete`: no limit was met."""

    headers: dict[str, list[str]]
    parts: list[Part] = field(default_factory=list)
    complete: bool = True
    choices: int = 0


def parse(data: bytes) -> Message:
    """Take a message apart."""
    whole = memoryview(data)
    headers, body = _header(whole)
    message = Message(headers)
    _descend(message, headers, body, 0, 0)
    return message


def decoded(raw: bytes, charset: str) -> str:
    """Bytes as text, by a charset that may be unknown or wrong."""
    if charset not in ("", "us-ascii", "ascii"):
        try:
            codec = codecs.lookup(charset)
            if codec.name not in _NO_CHARSETS:
                return raw.decode(codec.name, "replace")
        except (LookupError, ValueError):  # unknown, no text encoding, or beyond repair
            pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        # Cut in the middle of a character it is still UTF-8.
        if error.reason == "unexpected end of data":
            return raw[: error.start].decode("utf-8")
        return raw.decode("windows-1252", "replace")


def unworded(value: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047)."""
    if "=?" not in value:
        return value
    return _WORD.sub(_encoded_word, _BETWEEN.sub(r"\1\2", value))


def _encoded_word(match: re.Match[str]) -> str:
    charset, how, text = match.groups()
    raw = text.encode("utf-8", "surrogateescape")
    content = _from_base64(raw) if how in "bB" else binascii.a2b_qp(raw, header=True)
    return decoded(content, charset.partition("*")[0].lower())


def _header(data: memoryview) -> tuple[dict[str, list[str]], memoryview]:
    """The fields in front of the first empty line, by lower-case name; what follows."""
    block = bytes(data[:_HEADER_BLOCK])
    blank = _BLANK.search(block)
    end = blank.end() if blank else len(block)
    headers: dict[str, list[str]] = {}
    lines = _FOLD.sub(b" ", block[: blank.start() if blank else end]).split(b"\n", _HEADERS)
    for line in lines[:_HEADERS]:
        found = _FIELD.match(line.rstrip(b"\r")[:_VALUE])
        if found is not None:
            name = found.group(1).decode("ascii").lower()
            headers.setdefault(name, []).append(decoded(found.group(2), ""))
    if not headers:  # no header at all: then everything is text
        return headers, data
    return headers, data[end:]


def _descend(
    message: Message, headers: dict[str, list[str]], body: memoryview, depth: int, choice: int
) -> None:
    kind, parameters = _parameters(_first(headers, "content-type") or "text/plain")
    boundary = parameters.get("boundary", "")
    if depth >= _DEPTH or len(message.parts) >= _PARTS:
        message.complete = False
    elif kind.startswith("multipart/") and boundary:
        split = list(_split(body, boundary.encode("utf-8", "surrogateescape")))
        if kind == "multipart/alternative" and not choice:
            message.choices += 1
            choice = message.choices
        for one in split:
            _descend(message, *_header(one), depth + 1, choice)
        if split:
            return
    elif kind in ("message/rfc822", "message/global"):
        inner, rest = _header(body)
        _note_inner(message, inner)
        _descend(message, inner, rest, depth + 1, 0)
        return
    if len(message.parts) < _PARTS:
        message.parts.append(_leaf(headers, kind, parameters, body, choice))


def _note_inner(message: Message, headers: dict[str, list[str]]) -> None:
    """The header of a message in a message is text like any other."""
    told = [*headers.get("subject", ()), *headers.get("from", ()), *headers.get("to", ())]
    text = " \n".join(map(unworded, told)).encode("utf-8", "replace")
    message.parts.append(Part({}, "text/plain", "utf-8", "", "", memoryview(text)))


def _leaf(
    headers: dict[str, list[str]],
    kind: str,
    parameters: dict[str, str],
    body: memoryview,
    choice: int,
) -> Part:
    _, disposition = _parameters(_first(headers, "content-disposition"))
    return Part(
        headers={name: values[0] for name, values in headers.items()},
        kind=kind,
        charset=parameters.get("charset", "").lower(),
        encoding=_first(headers, "content-transfer-encoding").strip().lower(),
        name=disposition.get("filename") or parameters.get("name", ""),
        body=body,
        choice=choice,
    )


def _first(headers: dict[str, list[str]], name: str) -> str:
    return headers[name][0] if name in headers else ""


def _split(body: memoryview, boundary: bytes) -> Iterator[memoryview]:
    """The parts between the lines of a boundary (RFC 2046 §5.1.1); the last may lack its end."""
    data = b"\n" + bytes(body)
    mark = b"\n--" + boundary.rstrip()
    view = memoryview(data)
    start, at, wrong = -1, data.find(mark), 0
    while at >= 0 and wrong < _FALSE_BOUNDARIES:
        line = data.find(b"\n", at + len(mark))
        line = line if line >= 0 else len(data)
        rest = data[at + len(mark) : min(line, at + len(mark) + 80)].strip()
        if rest not in (b"", b"--"):
            wrong += 1
        else:
            if start >= 0:
                yield view[start:at]
            if rest == b"--":
                return
            start = line + 1
        at = data.find(mark, line)
    if start >= 0:
        yield view[start:]


def _parameters(value: str) -> tuple[str, dict[str, str]]:
    """A value such as `text/plain; charset=x` (RFC 2045 §5.1), continuations joined (RFC 2231)."""
    kind = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, quoted, bare in _PARAMETER.findall(value[:_PARAMETERS]):
        text = _QUOTED.sub(r"\1", quoted) if quoted else bare
        base, *marks = name.lower().split("*")
        if not marks:
            plain[base] = unworded(text)
            continue
        number = int(marks[0]) if marks[0].isdecimal() and len(marks[0]) < 4 else 0
        pieces.setdefault(base, []).append((number, marks[-1] == "", text))
    for base, some in pieces.items():
        plain[base] = _joined(sorted(some))
    return kind, plain


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    raw, charset = b"", ""
    for place, (_, extended, text) in enumerate(pieces):
        if extended and place == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        encoded = text.encode("utf-8", "surrogateescape")
        raw += unquote_to_bytes(encoded) if extended else encoded
    return decoded(raw, charset.lower())


def _from_base64(raw: bytes) -> bytes:
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:  # cut off or damaged: what stands in front is good
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        return binascii.a2b_base64(kept[: len(kept) // 4 * 4])
