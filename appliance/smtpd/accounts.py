"""What the SMTP server needs to know of the site's users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Exchange(Protocol):
    """One attempt to log in (RFC 4422 §3)."""

    async def step(self, response: bytes | None) -> bytes | str:
        """A challenge, or the user who has logged in. None: the client has said nothing yet.

        Raises `mail.reply.Refused`.
        """


class Accounts(Protocol):
    """The users, as they are now."""

    @property
    def mechanisms(self) -> Sequence[str]:
        """The names of all there are, the best first."""

    @property
    def check_from(self) -> bool:
        """Whether users need a right to the addresses in From, too."""

    def locked_out(self, client: str) -> float:
        """Seconds for which no client of that IP address could log in: it has guessed too often."""

    def begin(self, mechanism: str, client: str) -> Exchange | None:
        """A client of that IP address begins to log in; None: there is no such mechanism."""

    def active(self, user: str) -> bool:
        """Whether a user who has logged in still may."""

    def may_send_as(self, user: str, sender: str) -> bool:
        """Whether the address may stand in MAIL FROM (and From)."""
