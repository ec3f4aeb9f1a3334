"""What the state of TLS means: alarms with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.control.schema import Alarm, Severity
from appliance.mail.views import TlsView

_SOON = 30
"""Days: a node renews its own certificate long before."""
_YEAR = 365


def tls_alarms(tls: TlsView) -> Iterator[Alarm]:
    """Everything about TLS that is not as it should be."""
    if tls.clock:
        yield Alarm(
            name="clock_implausible",
            severity=Severity.WARNING,
            text=f"This node's clock must be wrong: {tls.clock}.",
            hint="set it (`timedatectl set-time`, or chrony); mail goes on, dates in it are wrong",
        )
    if tls.certificate is None:
        yield Alarm(
            name="no_certificate",
            severity=Severity.WARNING,
            text="This node has no certificate: it offers no TLS.",
            hint="read log/mail.log for tls_failed",
        )
    elif tls.certificate.days_left < _SOON:
        days = tls.certificate.days_left
        hint = "it should have been renewed: read log/mail.log for tls_failed"
        if tls.imported:
            hint = "import a new one: twinpost tls import FILE --key FILE"
        yield Alarm(
            name="certificate_ends",
            severity=Severity.CRITICAL if days < 0 else Severity.WARNING,
            text=f"The certificate for TLS {_ends(days)}.",
            hint=hint,
        )
    if tls.authority is not None and tls.authority.days_left < _YEAR:
        yield Alarm(
            name="authority_ends",
            severity=Severity.WARNING,
            text=f"The site's certificate authority {_ends(tls.authority.days_left)}.",
            hint="make another one and give it to the clients: twinpost tls renew --authority",
        )
    for problem in tls.problems:
        yield Alarm(
            name="tls_unusable",
            severity=Severity.WARNING,
            text=f"Something that was imported for TLS cannot be used here: {problem}",
            hint="bring both nodes to the same release, or import it again",
        )


def _ends(days: int) -> str:
    return f"is good for {days} more days" if days >= 0 else f"ended {-days} days ago"
