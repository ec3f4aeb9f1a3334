"""What is kept of a password, in the registers that both nodes share."""

from __future__ import annotations

import secrets

import argon2
import msgspec
from argon2.low_level import Type

from appliance.decoding import from_msgpack
from appliance.identity.prepare import Unprepared, saslprep
from appliance.identity.scram import Verifier, verifier

CREDENTIALS = "credentials"
"""Table of registers: user → `Credential`."""
DISABLED = "disabled"
"""Table of registers: user → who disabled it.

Not a part of the credential: a new password that is set on the other side of a split must not
let a disabled user in.
"""

ITERATIONS = 32_768
LEAST_LENGTH = 8
MOST_LENGTH = 256
"""Characters. Hashing a longer one would only cost time."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what looks like something else
# OWASP's least for Argon2id: 19 MiB, 2 passes. More would be paid for by the mail of others.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)


class BadPassword(ValueError):
    """A password that can't be set."""


class Credential(msgspec.Struct, frozen=True, array_like=True):
    """Verifiers of one password; `set_at` in milliseconds since 1970, for people only."""

    argon2: str
    scram: Verifier
    set_at: int


def prepared(password: str) -> str:
    """A new password as it is hashed; raises BadPassword."""
    try:
        spelled = saslprep(password)
    except Unprepared as error:
        raise BadPassword(f"the password has {error}") from None
    if len(spelled) < LEAST_LENGTH:
        raise BadPassword(f"the password is shorter than {LEAST_LENGTH} characters")
    if len(spelled) > MOST_LENGTH:
        raise BadPassword(f"the password is longer than {MOST_LENGTH} characters")
    return spelled


def made(password: str, now: int) -> Credential:
    """Of a new password; takes some 50 ms of a processor. Raises BadPassword."""
    spelled = prepared(password)
    scram = verifier(spelled, secrets.token_bytes(16), ITERATIONS)
    return Credential(_HASHER.hash(spelled), scram, now)


def hashed(password: str) -> str:
    """The Argon2id verifier alone of a new password; takes some 20 ms. Raises BadPassword."""
    return _HASHER.hash(prepared(password))


def fits(known: str, password: str) -> bool:
    """Whether `password` (prepared) is the one hashed in `known`; takes some 20 ms."""
    try:
        return _HASHER.verify(known, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def unknown() -> str:
    """A hash that no password fits, as expensive to try as any."""
    return _HASHER.hash(secrets.token_hex(32))


def encoded(credential: Credential) -> bytes:
    """As a register holds it."""
    return msgspec.msgpack.encode(credential)


def decoded(value: bytes) -> Credential | None:
    """None if it is none, as a later release might write it: nobody gets in with that."""
    try:
        return from_msgpack(value, Credential)
    except msgspec.DecodeError:
        return None


def generated() -> str:
    """A random password that can be read out: 16 characters of 32, in groups of four."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))
