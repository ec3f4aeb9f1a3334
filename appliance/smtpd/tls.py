"""TLS of one connection, without I/O: bytes of the network in and out, plain text out and in.

Not asyncio's: there the connection would change its transport and its loop's rules of closing
halfway, and nothing could be said of what came before. Here everything else of a connection stays
as it is: its limits, its timer, its orderly end.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

_READ = 256 << 10
# IANA's names of what contexts allow in TLS 1.2 (RFC 5289, RFC 7905); those of 1.3 are the same.
_NAMES = {
    f"ECDHE-{key}-{openssl}": f"TLS_ECDHE_{key}_WITH_{name}"
    for key in ("ECDSA", "RSA")
    for openssl, name in (
        ("AES128-GCM-SHA256", "AES_128_GCM_SHA256"),
        ("AES256-GCM-SHA384", "AES_256_GCM_SHA384"),
        ("CHACHA20-POLY1305", "CHACHA20_POLY1305_SHA256"),
    )
}


class TlsFailed(Exception):
    """The client does something else than TLS, or another TLS."""


class Tls:
    """The server's side. `output` has to be sent after every call."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.established = False
        self.ended = False
        """Whether the client has said that it sends no more."""
        self._broken = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the network; the plain text in them. Raises TlsFailed."""
        if self.ended or self._broken:
            return b""
        self._incoming.write(data)
        try:
            if not self.established:
                self._object.do_handshake()
                self.established = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            self._broken = True
            raise TlsFailed(error.reason or str(error)) from None

    def write(self, data: bytes) -> None:
        """Encrypt plain text."""
        if data and not self._broken:
            self._object.write(data)

    def output(self) -> bytes:
        """What is to be sent."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say that nothing more comes (RFC 8446 §6.1); the client's own goodbye isn't waited for.

        Without it the client could not tell the end from an attacker's cut.
        """
        if self.established and not self._broken:
            with suppress(ssl.SSLError):  # it wants the client's
                self._object.unwrap()

    @property
    def version(self) -> str:
        """As "TLSv1.3"."""
        return self._object.version() or ""

    @property
    def cipher(self) -> str:
        """IANA's name of the cipher suite."""
        cipher = self._object.cipher()
        return _NAMES.get(cipher[0], cipher[0]) if cipher else ""

    def _read(self) -> bytes:
        pieces = []
        try:
            while piece := self._object.read(_READ):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
