"""Ed25519 keys and signatures by openssl's command, which a bare Debian has.

A key's fingerprint is the SHA-256 of its SubjectPublicKeyInfo (RFC 8410), in groups of four: what
is typed from paper.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import Refused

_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410 §4: what an Ed25519 key begins with
_SIGNATURE_SIZE = 64
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


@dataclass(frozen=True)
class PublicKey:
    """Who may sign bundles: the 44 bytes of an Ed25519 key in DER."""

    der: bytes

    @classmethod
    def parse(cls, pem: str) -> PublicKey:
        """From PEM; raises Refused."""
        body = pem.strip()
        if not (body.startswith(_BEGIN) and body.endswith(_END)):
            raise Refused("this is no public key", "it begins with " + _BEGIN)
        try:
            inner = "".join(body[len(_BEGIN) : -len(_END)].split())
            der = base64.b64decode(inner, validate=True)
        except (binascii.Error, ValueError):
            raise Refused("this public key is damaged", "copy it again") from None
        if len(der) != len(_SPKI) + 32 or not der.startswith(_SPKI):
            raise Refused("this is no Ed25519 key", "make one with `make bundle-key`")
        return cls(der)

    @property
    def pem(self) -> str:
        """As openssl writes it."""
        return f"{_BEGIN}\n{base64.b64encode(self.der).decode()}\n{_END}\n"

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits in groups of four."""
        digits = hashlib.sha256(self.der).hexdigest()
        return " ".join(digits[at : at + 4] for at in range(0, 64, 4))

    def matches(self, typed: str) -> bool:
        """Whether a person has typed this key's fingerprint, however spaced."""
        plain = "".join(typed.split()).replace(":", "").replace("-", "").lower()
        return plain == self.fingerprint.replace(" ", "")


def make(private: Path) -> PublicKey:
    """A new key in the file `private`, which must not be there; raises Refused, OSError."""
    old = os.umask(0o077)
    try:
        with private.open("xb") as target:
            target.write(_openssl(["genpkey", "-algorithm", "ed25519"]))
    finally:
        os.umask(old)
    return public(private)


def public(private: Path) -> PublicKey:
    """The public half of the key in the file `private`; raises Refused."""
    return PublicKey.parse(_openssl(["pkey", "-in", str(private), "-pubout"]).decode("ascii"))


def sign(private: Path, message: bytes) -> bytes:
    """The signature, 64 bytes; raises Refused."""
    with tempfile.NamedTemporaryFile() as file:  # openssl wants the size before it signs
        file.write(message)
        file.flush()
        options = ["-sign", "-inkey", str(private), "-rawin", "-in", file.name]
        return _openssl(["pkeyutl", *options])


def verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether `key` has signed `message`; raises Refused if openssl cannot tell."""
    if len(signature) != _SIGNATURE_SIZE:
        return False
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, content in (("k", key.pem.encode()), ("m", message), ("s", signature)):
            (place / name).write_bytes(content)
        arguments = ["pkeyutl", "-verify", "-pubin", "-inkey", str(place / "k"), "-rawin"]
        arguments += ["-in", str(place / "m"), "-sigfile", str(place / "s")]
        done = _run(arguments)
    # Two signs that have to agree: an openssl that could not even look ends with 1, too.
    if done.returncode == 0 and b"Verified Successfully" in done.stdout:
        return True
    if done.returncode == 1 and b"Verification Failure" in done.stdout + done.stderr:
        return False
    raise Refused(f"openssl: {_last(done.stderr)}", "apt install openssl (3.0 or newer)")


def _openssl(arguments: list[str]) -> bytes:
    done = _run(arguments)
    if done.returncode:
        raise Refused(f"openssl {arguments[0]}: {_last(done.stderr)}", "look at the key's path")
    return done.stdout


def _run(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Refused("there is no openssl", "apt install openssl") from None


def _last(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it failed without a word"
