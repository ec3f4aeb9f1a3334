"""Secrets as people copy them by hand: groups of four characters and a check character.

Crockford's base32, so a typing error is told apart from a wrong secret, and by its group.
"""

from __future__ import annotations

import re

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_LOOKALIKES = str.maketrans("OIL", "011")
_SEPARATORS = re.compile(r"[\s\-‐‑–—]+")
_DATA = 4  # characters of a group that carry 5 bits each; one more checks them
_BITS = 5 * _DATA


class Mistyped(ValueError):
    """Not a secret as it was printed; `group` counts from 1, None if the length is wrong."""

    def __init__(self, problem: str, group: int | None = None) -> None:
        super().__init__(problem)
        self.group = group


def printed(secret: bytes) -> str:
    """The groups for `secret`, whose bits are a multiple of 20."""
    number, groups = int.from_bytes(secret, "big"), []
    count = len(secret) * 8 // _BITS
    for group in range(count):
        part = number >> _BITS * (count - 1 - group)
        data = [part >> 5 * (_DATA - 1 - index) & 31 for index in range(_DATA)]
        groups.append("".join(_ALPHABET[value] for value in [*data, _check(data, group + 1)]))
    return "-".join(groups)


def typed(text: str, size: int) -> bytes:
    """The secret of `size` bytes, as people type it: any case, O for 0, spaces or dashes.

    Raises Mistyped.
    """
    characters = _SEPARATORS.sub("", text.upper()).translate(_LOOKALIKES)
    width, count = _DATA + 1, size * 8 // _BITS
    if len(characters) != count * width:
        raise Mistyped(f"the code has {count * width} characters, this has {len(characters)}")
    number = 0
    for group in range(count):
        for value in _checked(characters[group * width : (group + 1) * width], group + 1):
            number = number << 5 | value
    return number.to_bytes(size, "big")


def _checked(text: str, group: int) -> list[int]:
    for character in text:
        if character not in _VALUE:
            raise Mistyped(f"group {group}: {character!r} does not occur in a code", group)
    values = [_VALUE[character] for character in text]
    if _check(values[:_DATA], group) != values[_DATA]:
        raise Mistyped(f"group {group} ({text}) has a typing error", group)
    return values[:_DATA]


def _check(values: list[int], group: int) -> int:
    """A checksum over GF(32) that no single wrong or swapped character, nor swapped group, keeps.

    Each character is multiplied by another power of x; the group's number is added.
    """
    total = 0
    for value in values:
        total = _times_x(total ^ value)
    return total ^ group


def _times_x(value: int) -> int:
    shifted = value << 1
    return shifted ^ 0b100101 if shifted & 32 else shifted  # modulo x^5 + x^2 + 1
