"""TLS 1.3 contexts of the peer link and of pairing, and the key the other side proved to have.

The chain to the pair's authority is checked by OpenSSL, then the caller compares the key with the
pinned one. Dates are never looked at: a node with a wrong clock must still find its peer.

TLS 1.3 with AES-GCM keeps a margin of 2^-57 for 2^24.5 records on a connection and loses two bits
with each doubling (RFC 8446 §5.5). A link that carries 1,000 records a second for a year is left
with 2^-36: enough to do without the key updates that Python's ssl can't ask for.
"""

from __future__ import annotations

import asyncio
import os
import ssl

from appliance.link.certificates import PrivateKey, certified_key

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which Python does not name.
_NO_CHECK_TIME = 0x200000


class NoPeerKey(Exception):
    """The other side showed no usable certificate."""


def link_context(
    *, server: bool, certificate: str, key: PrivateKey, authority: str
) -> ssl.SSLContext:
    """Both sides prove their keys; certificates must come from `authority` (PEM)."""
    context = _context(server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    context.load_verify_locations(cadata=authority)
    _load_chain(context, certificate, key)
    return context


def inviter_context(certificate: str, key: PrivateKey) -> ssl.SSLContext:
    """The listener of a pairing: it proves its key, the joiner has none yet to prove."""
    context = _context(server=True)
    _load_chain(context, certificate, key)
    return context


def joiner_context() -> ssl.SSLContext:
    """The joiner of a pairing: it has no authority yet, the caller compares the key itself."""
    context = _context(server=False)
    context.verify_mode = ssl.CERT_NONE
    return context


def peer_key(transport: asyncio.BaseTransport) -> bytes:
    """The key (SubjectPublicKeyInfo) the other side proved to hold; raises NoPeerKey, BadKey."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls else None
    if certificate is None:
        raise NoPeerKey("the other side showed no certificate")
    return certified_key(certificate)


def _context(server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # peers are known by key, they have no names
    if server:
        context.num_tickets = 0  # no resumption: every connection proves its keys anew
    return context


def _load_chain(context: ssl.SSLContext, certificate: str, key: PrivateKey) -> None:
    """`load_cert_chain` wants a file: one in memory, so that no key is written anywhere else."""
    file = os.memfd_create("twinpost-key", os.MFD_CLOEXEC)
    try:
        os.write(file, (key.pem() + certificate).encode())
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
