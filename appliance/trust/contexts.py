"""TLS as servers and clients of mail do it here: 1.2 or later, forward secrecy, AEAD.

RFC 8996, RFC 9325 §4: no TLS 1.0 and 1.1, no compression, no renegotiation, no CBC, no RSA key
exchange. What cannot do that much (nothing since 2012) gets plain text where that is allowed.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


def server_context(certificates: str, key: str) -> ssl.SSLContext:
    """For a server with these certificates and key (PEM); raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    # It wants a file: one in memory, so that no key is written anywhere else.
    file = os.memfd_create("twinpost-key", os.MFD_CLOEXEC)
    try:
        os.write(file, (key + certificates).encode())
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
    return context


def client_context(trusted: Iterable[str], *, verify: bool) -> ssl.SSLContext:
    """For a client; `verify`: the server's certificate must come from one of `trusted` (PEM).

    The machine's own list of authorities is not asked: those are the internet's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = verify
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    # An authority that is trusted need not be a root (X509_V_FLAG_PARTIAL_CHAIN).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificates in trusted:
        context.load_verify_locations(cadata=certificates)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
