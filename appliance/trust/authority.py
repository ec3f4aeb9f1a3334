"""The site's certificate authority, and what it issues.

Validity. The authority: from long ago, for twenty years. A node's certificate: 825 days, the most
that Apple's systems take, of which 428 lie in the past, so that a client whose clock is a year
slow still connects. Where this node's own clock can't be right, its certificate is good from
before the release until the authority ends: a right clock at the client is always within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.trust.certificate import (
    Address,
    BadCertificate,
    Chain,
    Key,
    check_pair,
    is_authority,
    key_pem,
    load_key,
)
from appliance.trust.clock import RELEASED, implausible

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_AUTHORITY_LIFE = timedelta(days=20 * 365 + 5)
_LIFE = timedelta(days=397)
BACKDATED = timedelta(days=428)
"""A node's certificate began to be valid so long before it was issued."""
_MOST_COMMON_NAME = 64


def new_key() -> ec.EllipticCurvePrivateKey:
    """What every client of the last fifteen years understands."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Authority:
    """A certificate (with those above it, if it is not its own issuer) and its key."""

    chain: Chain
    key: Key

    @classmethod
    def create(cls, organization: str, now: datetime) -> Self:
        """A new one for the site that has this name."""
        key = new_key()
        begin = max(now, RELEASED) if not implausible(now) else RELEASED
        name = _name(f"{organization} mail CA", organization)
        builder = (
            _builder(name, name, key, LONG_AGO, begin + _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
        )
        return cls(Chain((builder.sign(key, hashes.SHA256()),)), key)

    @classmethod
    def from_pem(cls, certificates: str, key: str) -> Self:
        """Raises BadCertificate."""
        chain, private = Chain.from_pem(certificates), load_key(key)
        check_pair(chain, private)
        if not is_authority(chain.first):
            raise BadCertificate("it is no certificate of an authority", "it lacks CA:TRUE")
        return cls(chain, private)

    def pem(self) -> tuple[str, str]:
        """Certificates and key."""
        return self.chain.pem(), key_pem(self.key)

    def issue(
        self,
        key: ec.EllipticCurvePrivateKey,
        hosts: Sequence[str],
        at: Sequence[Address],
        now: datetime,
        lists: Sequence[str] = (),
    ) -> Chain:
        """A server's certificate for these host names and addresses, with the chain to send.

        `lists`: URLs of one and the same list of revoked certificates (RFC 5280 §4.2.1.13).
        """
        begin, end = now - BACKDATED, now + _LIFE
        if implausible(now):
            begin, end = RELEASED - BACKDATED, self.chain.end
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(address) for address in at]
        issuer = self.chain.first
        builder = (
            _builder(_name(hosts[0]), issuer.subject, key, begin, min(end, self.chain.end))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issued_by_key(issuer), critical=False)
        )
        if lists:
            urls = [x509.UniformResourceIdentifier(url) for url in lists]
            points = [x509.DistributionPoint(urls, None, None, None)]
            builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
        digest = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return Chain((builder.sign(self.key, digest), *self._sent))

    @property
    def may_revoke(self) -> bool:
        """Whether clients take a list of revoked certificates from it."""
        try:
            usage = self.chain.first.extensions.get_extension_for_class(x509.KeyUsage)
        except x509.ExtensionNotFound:
            return True
        return usage.value.crl_sign

    @property
    def _sent(self) -> Sequence[x509.Certificate]:
        """What a server sends of it: all but a root, which clients have or do not trust."""
        return [one for one in self.chain.certificates if one.issuer != one.subject]


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def issued_by_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Names the issuer's key as its certificate does (RFC 5280 §4.2.1.1)."""
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        name = [x509.DirectoryName(issuer.issuer)]
        return x509.AuthorityKeyIdentifier(None, name, issuer.serial_number)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
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


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common[:_MOST_COMMON_NAME])]
    if organization:
        cut = organization[:_MOST_COMMON_NAME]
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, cut))
    return x509.Name(parts)
