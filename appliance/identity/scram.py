"""SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677): values in, values out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

import msgspec

from appliance.mail.reply import Refused, Reply

MECHANISM = "SCRAM-SHA-256"
_MAX_NONCE = 1024
_NONCE = re.compile(r"[!-+\--~]+")  # printable, without the comma
_NAME = re.compile(r"(?:[^=,\x00]|=2C|=3D)+")


class BadMessage(Refused):
    """What the client sent is not of its mechanism, or asks for what there is not."""

    def __init__(self, what: str) -> None:
        super().__init__(Reply(501, "5.5.2", f"Cannot log in with this: {what}"))


class Verifier(msgspec.Struct, frozen=True, array_like=True):
    """What the server keeps of a password (RFC 5802 §3): nobody can log in with it."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class ClientFirst(msgspec.Struct, frozen=True):
    """The client's first message: its GS2 header, the rest of it, and what that says."""

    header: str
    bare: str
    user: str
    nonce: str


class ClientFinal(msgspec.Struct, frozen=True):
    """The client's second message."""

    unproved: str
    channel: bytes
    nonce: str
    proof: bytes


def verifier(password: str, salt: bytes, iterations: int) -> Verifier:
    """Of a prepared password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(salt, iterations, stored, _hmac(salted, b"Server Key"))


def decoy(user: str, secret: bytes, iterations: int) -> Verifier:
    """For somebody who is not there: always the same, and no password fits (RFC 5802 §9)."""
    name = user.encode()
    salt = _hmac(secret, b"salt\0" + name)[:16]
    return Verifier(salt, iterations, _hmac(secret, b"stored\0" + name), _hmac(secret, name))


def client_first(message: bytes) -> ClientFirst:
    """Read the first message; raises BadMessage."""
    parts = _text(message).split(",")
    if len(parts) < 4:
        raise BadMessage("too short")
    binding, authzid, name, nonce = parts[:4]
    if binding not in ("n", "y"):  # "y": it would, but believes that we would not; so it is
        raise BadMessage("no channel binding here")
    if not name.startswith("n=") or not _NAME.fullmatch(name[2:]):
        raise BadMessage("no user name")
    if not nonce.startswith("r=") or not _NONCE.fullmatch(nonce[2:]) or len(nonce) > _MAX_NONCE:
        raise BadMessage("no nonce")
    user = _unescaped(name[2:])
    if authzid and authzid != f"a={name[2:]}":
        raise BadMessage("nobody may act for somebody else")
    return ClientFirst(f"{binding},{authzid},", ",".join(parts[2:]), user, nonce[2:])


def server_first(first: ClientFirst, nonce: str, known: Verifier) -> str:
    """The server's first message; `nonce` is its own part, made at random."""
    salt = base64.b64encode(known.salt).decode()
    return f"r={first.nonce}{nonce},s={salt},i={known.iterations}"


def client_final(message: bytes) -> ClientFinal:
    """Read the second message; raises BadMessage."""
    unproved, comma, proof = _text(message).rpartition(",p=")
    parts = unproved.split(",")
    if not comma or len(parts) < 2 or parts[0][:2] != "c=" or parts[1][:2] != "r=":
        raise BadMessage("not the client's final message")
    return ClientFinal(unproved, _base64(parts[0][2:]), parts[1][2:], _base64(proof))


def server_final(
    first: ClientFirst, challenge: str, final: ClientFinal, known: Verifier
) -> str | None:
    """The server's proof if the client has proved that it knows the password, else None.

    Raises BadMessage if the two messages don't belong together.
    """
    nonce = challenge.partition(",")[0][2:]
    if final.nonce != nonce or final.channel != first.header.encode():
        raise BadMessage("the messages do not belong together")
    said = f"{first.bare},{challenge},{final.unproved}".encode()
    signature = _hmac(known.stored_key, said)
    if len(final.proof) != len(signature):
        return None
    client_key = bytes(a ^ b for a, b in zip(final.proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), known.stored_key):
        return None
    return "v=" + base64.b64encode(_hmac(known.server_key, said)).decode()


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise BadMessage("not UTF-8") from None


def _unescaped(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("not base64") from None
