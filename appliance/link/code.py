"""The pairing code that a person carries from one node to the other.

25 bytes: 16 of the fingerprint of the pair's authority, 9 of the secret, in ten groups.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.config.groups import Mistyped, printed, typed
from appliance.link.certificates import fingerprint

__all__ = ["Mistyped", "PairingCode"]

FINGERPRINT_LENGTH = 16
SECRET_LENGTH = 9


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
        raw = typed(text, FINGERPRINT_LENGTH + SECRET_LENGTH)
        return cls(raw[:FINGERPRINT_LENGTH], raw[FINGERPRINT_LENGTH:])

    def matches(self, authority_key: bytes) -> bool:
        """Is the code about the authority with that SubjectPublicKeyInfo?"""
        return fingerprint(authority_key)[:FINGERPRINT_LENGTH] == self.authority

    def __str__(self) -> str:
        return printed(self.authority + self.secret)

    def __repr__(self) -> str:
        return (
            f"PairingCode(authority={self.authority.hex()}, secret=…)"  # logs are no place for it
        )
