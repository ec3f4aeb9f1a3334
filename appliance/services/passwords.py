"""What control needs to know of passwords (`control.people.Passwords`)."""

from __future__ import annotations

from appliance.identity.credential import CREDENTIALS, DISABLED, decoded, encoded, made
from appliance.services.clock import wall


class Passwords:
    """Makes what is kept of them."""

    credentials = CREDENTIALS
    disabled = DISABLED

    def kept(self, password: str) -> bytes:
        """What is kept of a new password; raises BadPassword."""
        return encoded(made(password, wall()))

    def set_at(self, kept: bytes) -> int | None:
        """When it was set; None if nobody can log in with it."""
        found = decoded(kept)
        return found.set_at if found else None
