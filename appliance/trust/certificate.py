"""Certificates and keys as text (PEM), checked when they come in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

Address = IPv4Address | IPv6Address
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_LEAST_RSA = 2048
_MOST_CERTIFICATES = 10


class BadCertificate(ValueError):
    """Not what it should be; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class Chain:
    """One or more certificates, each issued by the next."""

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: str | bytes) -> Chain:
        """Raises BadCertificate."""
        text = pem.encode() if isinstance(pem, str) else pem
        try:
            found = x509.load_pem_x509_certificates(text)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadCertificate(
                f"no certificate in PEM: {error}", "it begins with -----BEGIN CERTIFICATE-----"
            ) from None
        if len(found) > _MOST_CERTIFICATES:
            raise BadCertificate(f"{len(found)} certificates", "leave in one chain")
        for below, above in pairwise(found):
            if not issued_by(below, above):
                raise BadCertificate(
                    f"{subject(below)} was not issued by {subject(above)}",
                    "in a chain each certificate is followed by its issuer's",
                )
        return cls(tuple(found))

    @property
    def first(self) -> x509.Certificate:
        """The one that its key belongs to."""
        return self.certificates[0]

    @property
    def top(self) -> x509.Certificate:
        """The last issuer."""
        return self.certificates[-1]

    @property
    def end(self) -> datetime:
        """Until when all of them are valid."""
        return min(one.not_valid_after_utc for one in self.certificates)

    def pem(self) -> str:
        """The same as text."""
        return "".join(pem(one) for one in self.certificates)


def load_key(text: str | bytes) -> Key:
    """A private key in PEM; raises BadCertificate."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError:
        raise BadCertificate(
            "the key is encrypted", "decrypt it first: openssl pkey -in KEY -out PLAIN"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate(f"no private key in PEM: {error}", "use PKCS #8 or SEC 1") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA:
        raise BadCertificate(f"an RSA key of {key.key_size} bits", f"use {_LEAST_RSA} or more")
    if not isinstance(
        key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    ):
        raise BadCertificate("a key of that kind is not for TLS", "use EC P-256 or RSA")
    return key


def check_pair(chain: Chain, key: Key) -> None:
    """Raises BadCertificate unless `key` belongs to the first certificate."""
    if _public(chain.first.public_key()) != _public(key.public_key()):
        raise BadCertificate(
            f"the key is not that of {subject(chain.first)}", "put its certificate first"
        )


def key_pem(key: Key) -> str:
    """PKCS #8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate: x509.Certificate) -> bytes:
    """A certificate as other systems like it."""
    return certificate.public_bytes(Encoding.DER)


def issued_by(below: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether `above` signed `below`, and is named as its issuer."""
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue others."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return constraints.value.ca


def subject(certificate: x509.Certificate) -> str:
    """Whose it is."""
    return certificate.subject.rfc4514_string() or fingerprint(certificate)[:16]


def issuer(certificate: x509.Certificate) -> str:
    """Who issued it."""
    return certificate.issuer.rfc4514_string()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts and addresses it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    return (*hosts, *map(str, found.get_values_for_type(x509.IPAddress)))


def lists(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where it says that the list of revoked certificates is."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(one.value) for point in found for one in point.full_name or ())


def _public(key: object) -> bytes:
    if not hasattr(key, "public_bytes"):
        raise BadCertificate("a key of that kind is not for TLS", "use EC P-256 or RSA")
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
