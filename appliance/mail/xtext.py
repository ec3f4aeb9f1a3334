"""Values inside SMTP parameters: xtext (RFC 3461 §4) and UTF-8 addresses (RFC 6533 §3)."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[!-*,-<>-~]*")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
_UNPRINTABLE_BYTE = re.compile(rb"[^!-*,-<>-~]")

# QCHAR of RFC 6533 §3: printable ASCII less space, "\", "+" and "=". The rest is \x{HEX}.
_QCHARS = re.compile(r"(?:[!-*,-<>-\[\]-~]|[^\x00-\x7f]|\\x\{[0-9A-F]{2,6}\})*")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_NO_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")
_NO_QUCHAR = re.compile(r"[\x00- \\+=\x7f]")


def encode(text: str) -> str:
    """`text` (UTF-8) as xtext."""
    if _PLAIN.fullmatch(text):
        return text
    return _UNPRINTABLE_BYTE.sub(lambda found: b"+%02X" % found[0][0], text.encode()).decode()


def decode(xtext: str) -> str:
    """The text behind `xtext`, which may hold control characters; ValueError if it is none."""
    if _PLAIN.fullmatch(xtext):
        return xtext
    if not _XTEXT.fullmatch(xtext):
        raise ValueError("not xtext: '+' must be followed by two capital hexadecimal digits")
    return _HEXCHAR.sub(lambda found: bytes((int(found[1], 16),)), xtext.encode()).decode()


def encode_utf8_address(address: str, ascii_only: bool) -> str:
    """`address` as utf-8-addr-xtext (7 bit), or as utf-8-addr-unitext where SMTPUTF8 is spoken."""
    pattern = _NO_QCHAR if ascii_only else _NO_QUCHAR
    return pattern.sub(lambda found: rf"\x{{{ord(found[0]):02X}}}", address)


def decode_utf8_address(value: str) -> str:
    """The address behind either form, which may hold any character; ValueError if it is neither."""
    if not _QCHARS.fullmatch(value):
        raise ValueError(r"not a UTF-8 address: '+', '=' and '\' must be written as \x{HEX}")
    decoded = _EMBEDDED.sub(_embedded, value)
    decoded.encode()  # a surrogate is no character: UnicodeEncodeError is a ValueError
    return decoded


def _embedded(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))
