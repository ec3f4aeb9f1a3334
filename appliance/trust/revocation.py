"""Revoked certificates of the site's authority: the list (CRL, RFC 5280 §5), and who signs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.decoding import from_msgpack
from appliance.trust.authority import BACKDATED, LONG_AGO, Authority, issued_by_key
from appliance.trust.clock import RELEASED, implausible, moment

REVOKED = "revoked/"
"""Before a serial number in hex, in the names of registers."""
_LIFE = timedelta(days=30)
"""A client may go by a list for so long before it asks again. A new one is made all the time."""


class Revoked(msgspec.Struct, frozen=True, array_like=True):
    """Value of a register; in milliseconds since 1970. After `ends` it need not be told."""

    at: int
    ends: int


def register(certificate: x509.Certificate, now: int) -> tuple[str, bytes]:
    """Name and value of the register that revokes it."""
    ends = round(certificate.not_valid_after_utc.timestamp() * 1000)
    return name(certificate), msgspec.msgpack.encode(Revoked(now, ends))


def name(certificate: x509.Certificate) -> str:
    """Name of the register that revokes it."""
    return f"{REVOKED}{certificate.serial_number:x}"


def read(key: str, value: bytes) -> tuple[int, Revoked]:
    """Serial number, and since when; raises ValueError (msgspec's errors are)."""
    return int(key.removeprefix(REVOKED), 16), from_msgpack(value, Revoked)


def signed(authority: Authority, revoked: Mapping[int, Revoked], now: datetime) -> bytes:
    """The list in DER. Valid since long ago, as certificates are: for clients with slow clocks.

    Its number is the time, so that the nodes need not agree on one (RFC 5280 §5.2.3).
    """
    begin, end = now - BACKDATED, now + _LIFE
    if implausible(now):
        begin, end = RELEASED - BACKDATED, authority.chain.end
    issuer = authority.chain.first
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(begin)
        .next_update(min(end, authority.chain.end))
        .add_extension(issued_by_key(issuer), critical=False)
        .add_extension(x509.CRLNumber(max(0, round(now.timestamp()))), critical=False)
    )
    for serial, when in sorted(revoked.items()):
        if moment(when.ends) > now or implausible(now):
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(max(moment(when.at), LONG_AGO))
                .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
                .build()
            )
    digest = None if isinstance(authority.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(authority.key, digest).public_bytes(Encoding.DER)
