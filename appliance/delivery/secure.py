"""STARTTLS with a next hop: when it must be, with whom, and what is told when it fails.

The rules are Postfix's: a server that does not offer STARTTLS, or refuses it, gets plain text from
a route that only would like TLS ("may"). A handshake that fails is a failure all the same, lest
anybody who can disturb it once could read the mail; only where it goes on failing, as with a server
whose TLS is broken, plain text is used in the end (smtp_tls_security_level, minimal_backoff_time).
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import aiosmtplib

from appliance.delivery.replies import MAX_TEXT
from appliance.mail.disposition import Trouble, unreachable
from appliance.mail.mx import Place
from appliance.mail.reply import Reply
from appliance.mail.route import Tls
from appliance.mail.visible import visible

PLAIN_AFTER = 300.0
"""Seconds for which handshakes have to fail before plain text is used: Postfix's
minimal_backoff_time."""


class Trust(Protocol):
    """Whom this site trusts."""

    def context(self, verify: bool) -> ssl.SSLContext:
        """For a client: one that checks certificates, or one that takes any."""


class NotSecure(Exception):
    """There is no TLS as it must be; `reply` says why (4.7.4 or 4.7.5).

    `handshake`: it failed when it had begun.
    """

    def __init__(self, reply: Reply, handshake: bool) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.handshake = handshake


@dataclass
class Handshakes:
    """Those with next hops since the start: `done` by version of TLS."""

    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0


class Failures:
    """Since when handshakes fail, by place. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Place, float] = {}

    def failed(self, place: Place) -> bool:
        """One more; True if they have failed for so long that plain text may be used."""
        return self._clock() - self._since.setdefault(place, self._clock()) >= PLAIN_AFTER

    def succeeded(self, place: Place) -> None:
        """One that went well."""
        self._since.pop(place, None)


async def secure(
    client: aiosmtplib.SMTP, place: Place, remote: str, tls: Tls, trust: Trust
) -> bool:
    """Make a client past EHLO as secure as `tls` says; True if it is past EHLO in TLS then.

    Raises NotSecure, and what aiosmtplib and sockets raise for other trouble.
    """
    if tls.level == "none":
        return False
    if not client.supports_extension("starttls"):
        if tls.required:
            text = f"TLS is required, but was not offered by {remote}"
            raise NotSecure(unreachable(Trouble.TLS_MISSING, text), handshake=False)
        return False
    verify = tls.level == "verify"
    try:
        await client.starttls(
            tls_context=trust.context(verify), server_hostname=tls.name or place.host
        )
    except aiosmtplib.SMTPResponseException as refused:
        if tls.required:
            said = f"TLS is required, but {remote} refused to start it: {refused.message}"
            text = visible(said, MAX_TEXT)
            raise NotSecure(unreachable(Trouble.TLS_MISSING, text), handshake=False) from refused
        return False
    except (ssl.SSLError, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError) as error:
        text = visible(f"Cannot start TLS with {remote}: {_why(error, tls)}", MAX_TEXT)
        raise NotSecure(unreachable(Trouble.TLS, text), handshake=True) from error
    await client.ehlo()  # RFC 3207 §4.2: what was said in plain text does not count
    return True


def _why(error: Exception, tls: Tls) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _DATES:
            return f"{error.verify_message}; is this node's clock right?"
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return "the connection ended in the handshake"


_DATES = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED
