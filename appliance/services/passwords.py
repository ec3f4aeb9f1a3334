"""What control needs to know of passwords: users' (`control.people`), operators'."""

from __future__ import annotations

from appliance.identity.credential import (
    CREDENTIALS,
    DISABLED,
    MOST_LENGTH,
    decoded,
    encoded,
    hashed,
    made,
)
from appliance.identity.hasher import Busy, Hasher
from appliance.identity.prepare import Unprepared, saslprep
from appliance.identity.throttle import Allowance, Bounds, Throttle
from appliance.mail.views import Unavailable
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


class OperatorPasswords:
    """Those of the people who run the site (`control.operator_desk.Hashes`)."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher

    def hashed(self, password: str) -> str:
        """A verifier; raises BadPassword."""
        return hashed(password)

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether it is that password; raises Unavailable."""
        if len(password) > MOST_LENGTH:
            return False
        try:
            return await self._hasher.fits(known, saslprep(password))
        except Unprepared:
            return False
        except Busy:
            raise Unavailable("too many log in at once", "try again") from None


def operator_throttle() -> Throttle:
    """Operators log in on the machine itself, all at one address: names are what counts.

    Who tries names in turn has 2 a minute; who logged in here before has an allowance apart.
    """
    a_while = Allowance(10, 30_000)
    return Throttle(Bounds(address=Allowance(30, 30_000), user=a_while, known=a_while))
