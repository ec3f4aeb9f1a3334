"""Node keys, the pair's certificate authority, and the certificates it issues.

Ed25519: small, no random numbers in a signature, one handshake costs far under a millisecond.
Validity dates mean nothing here: 1970 to 9999, as clocks are not trusted (RFC 5280 §4.1.2.5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

NODE_ID_LENGTH = 8
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

_UNUSABLE = (ValueError, UnsupportedAlgorithm)


class BadKey(ValueError):
    """Not a key or certificate that a node can have."""


def fingerprint(public_key: bytes) -> bytes:
    """SHA-256 of a SubjectPublicKeyInfo in DER."""
    return hashlib.sha256(public_key).digest()


def node_id(public_key: bytes) -> bytes:
    """The 8 bytes that name the node with that SubjectPublicKeyInfo."""
    return fingerprint(public_key)[:NODE_ID_LENGTH]


def certified_key(certificate_der: bytes) -> bytes:
    """The SubjectPublicKeyInfo inside a certificate; raises BadKey."""
    try:
        return _public_der(x509.load_der_x509_certificate(certificate_der).public_key())
    except _UNUSABLE as error:
        raise BadKey(f"not a certificate: {error}") from None


def verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Raises BadKey unless the holder of `public_key` signed `message`."""
    try:
        _ed25519(public_key).verify(signature, message)
    except InvalidSignature:
        raise BadKey("the signature is not by that key") from None


class PrivateKey:
    """An Ed25519 key pair: a node's, or the authority's."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the system's random numbers."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: str) -> PrivateKey:
        """Raises BadKey."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (*_UNUSABLE, TypeError) as error:
            raise BadKey(f"not a private key: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadKey("not an Ed25519 key")
        return cls(key)

    @cached_property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo in DER."""
        return _public_der(self._key.public_key())

    @property
    def signer(self) -> Ed25519PrivateKey:
        """What `cryptography` signs with."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature."""
        return self._key.sign(message)

    def pem(self) -> str:
        """PKCS #8, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass(frozen=True)
class Authority:
    """The pair's certificate authority; both nodes hold it, so either can pair again."""

    certificate: str  # PEM
    key: PrivateKey

    @classmethod
    def create(cls) -> Authority:
        """A new authority with a new key."""
        key = PrivateKey.generate()
        return cls(_certificate(key.public_key, key, authority=True), key)

    @classmethod
    def from_pem(cls, certificate: str, key: str) -> Authority:
        """Raises BadKey, also when the two do not belong together."""
        private = PrivateKey.from_pem(key)
        if _load(certificate)[1] != private.public_key:
            raise BadKey("the pair's certificate and key do not belong together")
        return cls(certificate, private)

    def issue(self, public_key: bytes) -> str:
        """A certificate (PEM) for a node's SubjectPublicKeyInfo; raises BadKey."""
        return _certificate(public_key, self.key, authority=False)

    def secret(self, purpose: bytes) -> bytes:
        """32 bytes that only the nodes of the pair know, others for each purpose (RFC 5869)."""
        raw = self.key.signer.private_bytes_raw()
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(raw)

    def issued(self, certificate: str, public_key: bytes) -> bool:
        """Is that PEM a certificate of this authority for that very key? Raises BadKey."""
        parsed, certified = _load(certificate)
        try:
            parsed.verify_directly_issued_by(_load(self.certificate)[0])
        except (ValueError, TypeError, InvalidSignature):
            return False
        return certified == public_key


def _certificate(public_key: bytes, issuer: PrivateKey, *, authority: bool) -> str:
    subject_key = _ed25519(public_key)
    issuer_key = issuer.signer.public_key()
    key_usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    path_length = 0 if authority else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name("pair" if authority else "node", public_key))
        .issuer_name(_name("pair", issuer.public_key))
        .public_key(subject_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_MOMENT)
        .not_valid_after(_LAST_MOMENT)
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
        .add_extension(key_usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )
    return builder.sign(issuer.signer, algorithm=None).public_bytes(Encoding.PEM).decode()


def _name(role: str, public_key: bytes) -> x509.Name:
    text = f"twinpost {role} {node_id(public_key).hex()}"
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _load(pem: str) -> tuple[x509.Certificate, bytes]:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return certificate, _public_der(certificate.public_key())
    except _UNUSABLE as error:
        raise BadKey(f"not a certificate: {error}") from None


def _ed25519(public_key: bytes) -> Ed25519PublicKey:
    try:
        key = load_der_public_key(public_key)
    except _UNUSABLE as error:
        raise BadKey(f"not a public key: {error}") from None
    if _public_der(key) != public_key:
        raise BadKey("not the usual encoding of the key")  # two names for one key
    assert isinstance(key, Ed25519PublicKey)
    return key


def _public_der(key: object) -> bytes:
    if not isinstance(key, Ed25519PublicKey):
        raise BadKey("not an Ed25519 key")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
