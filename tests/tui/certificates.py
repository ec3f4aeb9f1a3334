"""Certificates as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.mail.tls_views import CertificateView, RevokedView, TlsView


def certificate(subject: str, days: int, *names: str) -> CertificateView:
    """A certificate of the site's authority."""
    return CertificateView(
        subject=f"CN={subject}",
        issuer="CN=ship.test authority",
        names=names,
        begins="2020-01-01T00:00:00Z",
        ends="2027-01-01T00:00:00Z",
        days_left=days,
        fingerprint=(subject.encode().hex() * 9)[:64],
    )


CERTIFICATES: Mapping[str, object] = {
    "/tls": TlsView(
        certificate=certificate("a.ship.test", 12, "a.ship.test", "mail.ship.test", "127.0.0.10"),
        imported=False,
        authority=certificate("ship.test authority", 3_400),
        shared=True,
        trusted=(certificate("port\x1b[31m.test", -3),),
        problems=("certificate: it is damaged",),
        revoked=(
            RevokedView(serial="4f2a", at="2026-10-01T08:00:00Z", ends="2027-01-01T00:00:00Z"),
        ),
    )
}
