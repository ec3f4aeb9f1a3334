"""SASL mechanisms, the server's side: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 (RFC 5802)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from appliance.identity import scram
from appliance.identity.credential import MOST_LENGTH
from appliance.identity.scram import BadMessage, ClientFirst, Verifier

_LONGEST = 4 * MOST_LENGTH
"""Bytes of a name or password, before it is looked at any closer."""


class Checks(Protocol):
    """Decides. Raises `mail.reply.Refused`."""

    async def password(self, mechanism: str, login: str, password: str) -> str:
        """The user whose password that is."""

    def verifier(self, login: str) -> Verifier:
        """What to try the user's proof with; of somebody unknown, too."""

    def proof(self, login: str, right: Callable[[], str | None]) -> tuple[str, str]:
        """The user, and what `right` gives if the proof is right."""


class Plain:
    """One message: whom to act for, who it is, the password."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    async def step(self, response: bytes | None) -> bytes | str:
        """A challenge, or the user who has logged in; raises BadMessage, Refused."""
        if response is None:
            return b""
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise BadMessage("not a name and a password")
        authzid, login, password = (_text(part) for part in parts)
        if authzid not in ("", login):
            raise BadMessage("nobody may act for somebody else")
        return await self._checks.password("PLAIN", login, password)


class Login:
    """Two questions; never standardised, and spoken by many devices."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._login: str | None = None

    async def step(self, response: bytes | None) -> bytes | str:
        """A challenge, or the user who has logged in; raises BadMessage, Refused."""
        if response is None:
            return b"Username:"
        if self._login is None:
            self._login = _text(response)
            return b"Password:"
        return await self._checks.password("LOGIN", self._login, _text(response))


class Scram:
    """A proof that the client knows the password, and another that the server does."""

    def __init__(self, checks: Checks, nonce: Callable[[], str]) -> None:
        self._checks = checks
        self._nonce = nonce
        self._first: ClientFirst | None = None
        self._challenge = ""
        self._known: Verifier | None = None
        self._user = ""

    async def step(self, response: bytes | None) -> bytes | str:
        """A challenge, or the user who has logged in; raises BadMessage, Refused."""
        if response is None:
            return b""
        if self._user:
            # RFC 4954 §4: what the server says at the end is a challenge, answered with nothing.
            if response:
                raise BadMessage("nothing was expected")
            return self._user
        if self._first is None or self._known is None:
            self._first = scram.client_first(response)
            self._known = self._checks.verifier(self._first.user)
            self._challenge = scram.server_first(self._first, self._nonce(), self._known)
            return self._challenge.encode()
        return self._prove(self._first, self._known, response)

    def _prove(self, first: ClientFirst, known: Verifier, response: bytes) -> bytes:
        final = scram.client_final(response)
        challenge = self._challenge
        self._user, said = self._checks.proof(
            first.user, lambda: scram.server_final(first, challenge, final, known)
        )
        return said.encode()


def _text(part: bytes) -> str:
    if len(part) > _LONGEST:
        raise BadMessage("too long")
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise BadMessage("not UTF-8") from None
