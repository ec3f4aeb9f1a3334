"""Recovery keys: who can read a backup, and who can make one.

The secret is 20 bytes and on paper only. What follows from it: an X25519 key, whose public half
the site keeps, and a key for making backups, which the site keeps, too. So a node can write
backups that it cannot read, and nobody without the site's keys can write one that a restore
would take for the site's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.config.groups import printed, typed
from appliance.decoding import from_json

TABLE = "recovery_keys"
"""The registers' table; their keys are the ids of recovery keys."""
SECRET_LENGTH = 20


def derived(secret: bytes, purpose: str, salt: bytes = b"") -> bytes:
    """A key of 32 bytes for one purpose (RFC 5869)."""
    info = f"twinpost backup: {purpose}".encode()
    return HKDF(SHA256(), 32, salt or None, info).derive(secret)


class Recipient(msgspec.Struct, frozen=True):
    """What the site keeps of a recovery key; `at` and `by` are for people."""

    public: bytes
    maker: bytes
    at: int = 0
    by: str = ""
    comment: str = ""

    @property
    def id(self) -> str:
        return sha256(self.public).hexdigest()[:8]

    @property
    def key(self) -> X25519PublicKey:
        """Raises ValueError."""
        return X25519PublicKey.from_public_bytes(self.public)

    @property
    def seal(self) -> bytes:
        """The key that seals a whole file."""
        return derived(self.maker, "seal")


@dataclass(frozen=True)
class RecoveryKey:
    """The whole key, as it stands on paper."""

    secret: bytes

    @classmethod
    def parse(cls, text: str) -> RecoveryKey:
        """As people type it; raises config.groups.Mistyped."""
        return cls(typed(text, SECRET_LENGTH))

    def __str__(self) -> str:
        return printed(self.secret)

    def __repr__(self) -> str:
        return f"RecoveryKey({self.recipient().id})"  # logs are no place for it

    @property
    def private(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(derived(self.secret, "reading"))

    def recipient(self, at: int = 0, by: str = "", comment: str = "") -> Recipient:
        """What the site may keep."""
        public = self.private.public_key().public_bytes_raw()
        return Recipient(public, derived(self.secret, "making"), at, by, comment)


def encoded(recipient: Recipient) -> bytes:
    """A register's value."""
    return msgspec.json.encode(recipient)


def recipients(values: Iterable[bytes]) -> tuple[Recipient, ...]:
    """Those of the site that can be used."""
    found = []
    for value in values:
        try:
            one = from_json(value, Recipient)
            _ = one.key
        except (msgspec.DecodeError, ValueError):
            continue
        found.append(one)
    return tuple(sorted(found, key=lambda one: one.id))


def of_site(table: Mapping[str, bytes]) -> tuple[Recipient, ...]:
    """The site's recovery keys, from its registers."""
    return recipients(table.values())
