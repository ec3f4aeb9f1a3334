"""What the SMTP server counts about connections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from appliance.mail.views import ReceptionView


@dataclass
class Traffic:
    """Since the start: connections that were `admitted` and `refused`, protocol `faults`.

    `tls` counts handshakes by version, `tls_failed` those that failed.
    """

    admitted: int = 0
    refused: int = 0
    faults: int = 0
    tls: Counter[str] = field(default_factory=Counter)
    tls_failed: int = 0

    def view(self) -> ReceptionView:
        """As it is now."""
        return ReceptionView(
            admitted=self.admitted,
            refused=self.refused,
            faults=self.faults,
            tls=dict(self.tls),
            tls_failed=self.tls_failed,
        )
