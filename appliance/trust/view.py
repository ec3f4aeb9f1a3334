"""TLS of a node as its people see it, and what of it they may change."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509

from appliance.mail.reply import Refused, Reply
from appliance.mail.tls_views import CertificateView, RevokedView, TlsView
from appliance.trust.authority import Authority
from appliance.trust.certificate import (
    BadCertificate,
    Chain,
    check_pair,
    der,
    fingerprint,
    is_authority,
    issuer,
    lists,
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
from appliance.trust.revocation import Revoked

Values = tuple[tuple[str, str, bytes | None], ...]
"""Registers to write, all or none."""


class TlsDesk:
    """Reads what the mail process keeps. `table` reads the registers and may raise what it likes.

    `folder` is keys/; `wall` counts milliseconds since 1970; `token` gives bytes never used
    before; `organization` is how a new authority is called. Everything raises OSError.
    """

    def __init__(
        self,
        folder: Path,
        table: Callable[[str], Mapping[str, bytes]],
        wall: Callable[[], int],
        token: Callable[[], bytes],
        organization: Callable[[], str],
    ) -> None:
        self._keys = Keys(folder)
        self._table = table
        self._wall = wall
        self._token = token
        self._organization = organization

    def view(self) -> TlsView:
        """How it is now."""
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
            revoked=_revoked(held.revoked, self._wall()),
        )

    def exported(self, form: str) -> bytes:
        """What clients have to trust: all certificates as "pem"; as "der" the last issuer's.

        Raises LookupError.
        """
        held = holdings(self._table(TABLE))
        authority = held.authority or self._keys.own_authority()
        if authority is None:
            raise LookupError("there is no authority yet: the mail process makes it")
        chain = authority.chain
        return der(chain.top) if form == "der" else chain.pem().encode()

    def imported(self, certificates: str, key: str) -> tuple[Values, str]:
        """The registers that make use of them, and in words what for; raises Refused.

        With a key: an authority becomes the site's, anything else is served as it is. Without
        one: an authority whose servers are trusted as well.
        """
        try:
            return _with_key(certificates, key) if key else _trusted(certificates)
        except BadCertificate as error:
            raise Refused(Reply(550, "5.7.0", str(error)), error.hint) from None

    def renewed(self, authority: bool) -> Values:
        """What makes both nodes issue themselves new certificates, or a new authority at that."""
        values: Values = ((TABLE, RENEWED, self._token()),)
        if authority:
            made = Authority.create(self._organization(), moment(self._wall()))
            values = ((TABLE, AUTHORITY, written(*made.pem())), *values)
        return values

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


def _revoked(found: Mapping[int, Revoked], now: int) -> tuple[RevokedView, ...]:
    listed = [(serial, one) for serial, one in found.items() if one.ends > now]
    return tuple(
        [
            RevokedView(serial=f"{serial:x}", at=_time(one.at), ends=_time(one.ends))
            for serial, one in sorted(listed, key=lambda item: item[1].at, reverse=True)
        ]
    )


def _time(milliseconds: int) -> str:
    try:
        return f"{moment(milliseconds):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return "at no time"


def _with_key(certificates: str, key: str) -> tuple[Values, str]:
    chain, private = Chain.from_pem(certificates), load_key(key)
    check_pair(chain, private)
    _try(certificates, key)
    name, value = subject(chain.first), written(certificates, key)
    if is_authority(chain.first):
        return ((TABLE, AUTHORITY, value),), f"{name} is the site's authority now."
    return ((TABLE, CERTIFICATE, value),), f"Both nodes serve the certificate of {name} now."


def _trusted(certificates: str) -> tuple[Values, str]:
    found = Chain.from_pem(certificates).first
    if not is_authority(found):
        raise BadCertificate(
            f"{subject(found)} is no authority", "to serve this certificate, name its key, too"
        )
    said = f"Servers are trusted whose certificates come from {subject(found)}."
    return ((TABLE, TRUSTED + fingerprint(found), certificates.encode()),), said


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
        lists=lists(certificate),
    )
