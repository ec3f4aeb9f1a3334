"""SASLprep (RFC 4013): one spelling for user names and passwords that look the same."""

from __future__ import annotations

import stringprep
import unicodedata

# RFC 4013 §2.3
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Unprepared(ValueError):
    """A text that is no name or password: control characters, unassigned ones, mixed direction."""


def saslprep(text: str) -> str:
    """`text` as it is compared and hashed; raises Unprepared.

    Characters of Unicode versions after 3.2 are unassigned here, and let through: passwords
    have emoji in them, and nobody composes those in two ways.
    """
    if text.isascii():
        if not text.isprintable():
            raise Unprepared("control characters")
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if any(table(char) for char in prepared for table in _PROHIBITED):
        raise Unprepared("characters that may not be in it")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """RFC 3454 §6."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if any(map(stringprep.in_table_d2, text)) or not ends:
        raise Unprepared("letters of both directions")
