"""Queue ids: names of messages that no other node can make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NewType

QueueId = NewType("QueueId", str)

# Crockford's alphabet: no I, L, O, U, so an id survives being read aloud or written on paper.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
TAG_LENGTH = 10  # 50 bits of the incarnation
_MIN_DIGITS = 4
_MIN_LENGTH = TAG_LENGTH + _MIN_DIGITS


def tag(incarnation: bytes) -> str:
    """The ten characters that open every queue id minted by `incarnation` (16 bytes)."""
    return _base32(int.from_bytes(incarnation[:7], "big") >> 6).rjust(TAG_LENGTH, "0")


def queue_id(incarnation_tag: str, number: int) -> QueueId:
    """The queue id of message `number` (from 1) of the incarnation with that tag."""
    return QueueId(incarnation_tag + _base32(number).rjust(_MIN_DIGITS, "0"))


def parse(text: str) -> tuple[str, int]:
    """Split a queue id into (incarnation tag, number); ValueError if it is none."""
    if len(text) < _MIN_LENGTH:
        raise ValueError(f"{text!r} is no queue id: it is shorter than {_MIN_LENGTH} characters")
    number = 0
    try:
        for character in text[TAG_LENGTH:]:
            number = number * 32 + _VALUE[character]
    except KeyError:
        raise ValueError(f"{text!r} is no queue id: {character!r} does not occur in one") from None
    return text[:TAG_LENGTH], number


def numbers(begins: str, bits: int) -> Iterator[tuple[int, int]]:
    """The numbers of so many bits that are written with these digits at the beginning.

    As ranges, from the first to before the second; there are none if it is no beginning of any.
    """
    if not _VALUE.keys() >= set(begins):
        return
    value = 0
    for digit in begins:
        value = value * 32 + _VALUE[digit]
    for length in range(max(len(begins), _MIN_DIGITS), bits // 5 + 1):
        if length == _MIN_DIGITS or begins[:1] != "0":
            missing = 32 ** (length - len(begins))
            yield value * missing, (value + 1) * missing


def _base32(value: int) -> str:
    digits = []
    while value:
        value, digit = divmod(value, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
