"""TLS of a node as its people see it, and what of it they may change."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509

from appliance.mail.views import CertificateView, TlsView
from appliance.trust.authority import Authority
from appliance.trust.certificate import (
    BadCertificate,
    Chain,
    check_pair,
    der,
    fingerprint,
    is_authority,
    issuer,
    load_key,
    names,
    subject,
)
from appliance.trust.clock import implausible, moment, stepped_back
from appliance.trust.contexts import server_context
from appliance.trust.holdings import (
    AUTHORITY,
    CERTIFICATE,
    RENEWED,
    TABLE,
    TRUSTED,
    Holdings,
    Keys,
    holdings,
    written,
)

Values = tuple[tuple[str, str, bytes | None], ...]
"""Registers to write, all or none."""


class TlsReader:
    """Reads what the mail process keeps. `table` reads the registers; may raise what it likes.

    `folder` is keys/; `wall` counts milliseconds since 1970.
    """

    def __init__(
        self, folder: Path, table: Callable[[str], Mapping[str, bytes]], wall: Callable[[], int]
    ) -> None:
        self._keys = Keys(folder)
        self._table = table
        self._wall = wall

    def view(self) -> TlsView:
        """How it is now; raises OSError."""
        held, now = holdings(self._table(TABLE)), moment(self._wall())
        authority = held.authority or self._keys.own_authority()
        chain, problems, clock = self._served(held), list(held.problems), implausible(now)
        file = self._keys.node()
        if file is not None and not clock and held.certificate is None:
            clock = stepped_back(now, moment(file.issued_at))
        return TlsView(
            certificate=_view(chain.first, now) if chain else None,
            imported=held.certificate is not None,
            authority=_view(authority.chain.first, now) if authority else None,
            shared=held.authority is not None,
            trusted=tuple(_view(one.first, now) for one in held.trusted.values()),
            clock=clock,
            problems=tuple(problems),
        )

    def authority(self) -> Chain:
        """What clients of the site have to trust; raises LookupError, OSError."""
        held = holdings(self._table(TABLE))
        authority = held.authority or self._keys.own_authority()
        if authority is None:
            raise LookupError("there is no authority yet: the mail process makes it")
        return authority.chain

    def forgotten(self, wanted: str) -> Values:
        """What ends the use of "certificate" or of a trusted authority; raises LookupError."""
        held = holdings(self._table(TABLE))
        if wanted == CERTIFICATE and held.certificate is not None:
            return ((TABLE, CERTIFICATE, None),)
        found = [one for one in held.trusted if one.startswith(wanted.lower())]
        if len(found) != 1 or not wanted:
            what = "is more than one" if found else "is nothing that was imported"
            raise LookupError(f"{wanted!r} {what}: `twinpost tls show` names what there is")
        return ((TABLE, TRUSTED + found[0], None),)

    def _served(self, held: Holdings) -> Chain | None:
        if held.certificate is not None:
            return held.certificate[0]
        file = self._keys.node()
        try:
            return Chain.from_pem(file.certificates) if file else None
        except BadCertificate:
            return None


def imported(certificates: str, key: str) -> tuple[Values, str]:
    """What makes use of them, and in words what for; raises BadCertificate.

    With a key: an authority becomes the site's, anything else is served as it is. Without one:
    an authority whose servers are trusted as well.
    """
    if key:
        chain, private = Chain.from_pem(certificates), load_key(key)
        check_pair(chain, private)
        _try(certificates, key)
        if is_authority(chain.first):
            Authority.from_pem(certificates, key)
            said = f"{subject(chain.first)} is the site's authority now."
            return ((TABLE, AUTHORITY, written(certificates, key)),), said
        said = f"Both nodes serve the certificate of {subject(chain.first)} now."
        return ((TABLE, CERTIFICATE, written(certificates, key)),), said
    found = Chain.from_pem(certificates).first
    if not is_authority(found):
        raise BadCertificate(
            f"{subject(found)} is no authority", "to serve this certificate, name its key, too"
        )
    said = f"Servers are trusted whose certificates come from {subject(found)}."
    return ((TABLE, TRUSTED + fingerprint(found), certificates.encode()),), said


def renewed(token: bytes, organization: str, now: int, *, authority: bool) -> Values:
    """What makes both nodes issue themselves certificates anew, or the site an authority.

    `token` was never used before; `now` is in milliseconds since 1970.
    """
    values: Values = ((TABLE, RENEWED, token),)
    if authority:
        made = Authority.create(organization, moment(now))
        values = ((TABLE, AUTHORITY, written(*made.pem())), *values)
    return values


def exported(chain: Chain, form: str) -> bytes:
    """Certificates for clients: all of them as "pem"; as "der" the last issuer's."""
    return der(chain.top) if form == "der" else chain.pem().encode()


def _try(certificates: str, key: str) -> None:
    """Whether OpenSSL takes them, which has rules of its own."""
    try:
        server_context(certificates, key)
    except ssl.SSLError as error:
        raise BadCertificate(f"OpenSSL refuses it: {error.reason}", "use EC P-256 or RSA") from None


def _view(certificate: x509.Certificate, now: datetime) -> CertificateView:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return CertificateView(
        subject=subject(certificate),
        issuer=issuer(certificate),
        names=names(certificate),
        begins=f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        ends=f"{end:%Y-%m-%dT%H:%M:%SZ}",
        days_left=(end - now).days,
        fingerprint=fingerprint(certificate),
    )
