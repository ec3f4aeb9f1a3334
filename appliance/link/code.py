"""The pairing code that a person carries from one node to the other.

25 bytes: 16 of the fingerprint of the pair's authority, 9 of the secret. Written in Crockford's
base32 as ten groups of four characters and a check character, so that a typing error is told
apart from a wrong code, and by its group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.link.certificates import fingerprint

FINGERPRINT_LENGTH = 16
SECRET_LENGTH = 9

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_LOOKALIKES = str.maketrans("OIL", "011")
_SEPARATORS = re.compile(r"[\s\-‐‑–—]+")
_GROUPS = 10
_DATA = 4  # characters of a group that carry 5 bits each; one more checks them


class Mistyped(ValueError):
    """Not a code as it was printed; `group` counts from 1, None if the length is wrong."""

    def __init__(self, problem: str, group: int | None = None) -> None:
        super().__init__(problem)
        self.group = group


@dataclass(frozen=True)
class PairingCode:
    """What a code says: whom to trust, and the secret that proves it was read."""

    authority: bytes
    secret: bytes

    @classmethod
    def make(cls, authority_key: bytes, secret: bytes) -> PairingCode:
        """For the authority with that SubjectPublicKeyInfo; `secret` is 9 random bytes."""
        return cls(fingerprint(authority_key)[:FINGERPRINT_LENGTH], secret)

    @classmethod
    def parse(cls, text: str) -> PairingCode:
        """Read a code as people type it: any case, O for 0, spaces or dashes; raises Mistyped."""
        characters = _SEPARATORS.sub("", text.upper()).translate(_LOOKALIKES)
        size = _DATA + 1
        if len(characters) != _GROUPS * size:
            wanted = _GROUPS * size
            raise Mistyped(f"the code has {wanted} characters, this has {len(characters)}")
        number = 0
        for group in range(_GROUPS):
            for value in _checked(characters[group * size : (group + 1) * size], group + 1):
                number = number << 5 | value
        raw = number.to_bytes(FINGERPRINT_LENGTH + SECRET_LENGTH, "big")
        return cls(raw[:FINGERPRINT_LENGTH], raw[FINGERPRINT_LENGTH:])

    def matches(self, authority_key: bytes) -> bool:
        """Is the code about the authority with that SubjectPublicKeyInfo?"""
        return fingerprint(authority_key)[:FINGERPRINT_LENGTH] == self.authority

    def __str__(self) -> str:
        number = int.from_bytes(self.authority + self.secret, "big")
        count = _GROUPS * _DATA
        values = [number >> 5 * (count - 1 - index) & 31 for index in range(count)]
        groups = []
        for group in range(_GROUPS):
            data = values[group * _DATA : (group + 1) * _DATA]
            groups.append("".join(_ALPHABET[value] for value in [*data, _check(data, group + 1)]))
        return "-".join(groups)

    def __repr__(self) -> str:
        return (
            f"PairingCode(authority={self.authority.hex()}, secret=…)"  # logs are no place for it
        )


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
