"""What a listener is for."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.smtpd.proxy import Balancers


@dataclass(frozen=True)
class Listener:
    """By default for other servers (port 25).

    `submission`: for the site's users (RFC 6409), who have to ask for TLS first. `implicit`: TLS
    comes before anything else (RFC 8314 §3.3). `balancers`: it is for balancers, which say who
    the client is.
    """

    submission: bool = False
    implicit: bool = False
    balancers: Balancers | None = None


RELAY = Listener()
SUBMISSION = Listener(submission=True)
SUBMISSIONS = Listener(submission=True, implicit=True)
