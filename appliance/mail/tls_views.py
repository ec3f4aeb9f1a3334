"""What operators are shown of TLS: certificates, the authority, what was taken back."""

from __future__ import annotations

import msgspec


class CertificateView(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate. `begins`, `ends` are RFC 3339 in UTC, `fingerprint` is SHA-256 in hex.

    `lists`: where it says that the list of revoked certificates is.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: str
    ends: str
    days_left: int
    fingerprint: str
    lists: tuple[str, ...] = ()


class RevokedView(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that the authority took back: serial number in hex; times in RFC 3339, UTC.

    `at`: since when. `ends`: when it ends anyway, and need no longer be told.
    """

    serial: str
    at: str
    ends: str


class TlsView(msgspec.Struct, frozen=True, kw_only=True):
    """TLS on one node: the certificate it serves, the site's authority, who else is trusted.

    `shared`: the authority is that of both nodes. `imported`: the certificate came from elsewhere.
    `clock`: why the node's clock must be wrong, "" if it may be right. `problems`: what of it
    could not be used. `revoked`: what the authority's list names, the latest first.
    """

    certificate: CertificateView | None
    imported: bool
    authority: CertificateView | None
    shared: bool
    trusted: tuple[CertificateView, ...]
    clock: str = ""
    problems: tuple[str, ...] = ()
    revoked: tuple[RevokedView, ...] = ()
