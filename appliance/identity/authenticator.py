"""Logs users in: mechanisms, passwords, lock-out, and what the log is told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from appliance.identity import scram
from appliance.identity.credential import ITERATIONS
from appliance.identity.hasher import Busy, Hasher
from appliance.identity.people import People
from appliance.identity.prepare import Unprepared, saslprep
from appliance.identity.sasl import Login, Plain, Scram
from appliance.identity.scram import Verifier
from appliance.identity.throttle import Throttle, group
from appliance.mail.reply import Refused, Reply
from appliance.monitor.events import Emit, Event

WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")  # RFC 4954 §6
TOO_OFTEN = Reply(454, "4.7.0", "Too many failed logins, try again later")
BUSY = Reply(454, "4.7.0", "Too many logins at once, try again later")


_MOST_WAITING = 4
"""Passwords of an address from which nobody has logged in before."""
_QUEUED = 3.0
"""Seconds in which so many may have been tried."""


class Authenticator:
    """For all sessions of a server. `clock`: running milliseconds; `secret`: the pair's."""

    mechanisms = ("SCRAM-SHA-256", "PLAIN", "LOGIN")

    def __init__(
        self,
        people: People,
        throttle: Throttle,
        hasher: Hasher,
        clock: Callable[[], int],
        secret: bytes,
        emit: Emit,
    ) -> None:
        self.people = people
        self.logins = 0
        self.failures = 0
        """Wrong passwords, and those that were not tried."""
        self._throttle = throttle
        self._hasher = hasher
        self._clock = clock
        self._secret = secret
        self._emit = emit
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    @property
    def check_from(self) -> bool:
        """Whether users need a right to the addresses in From, too."""
        return self.people.check_from

    def active(self, user: str) -> bool:
        """Whether a user who has logged in still may."""
        return self.people.active(user)

    def may_send_as(self, user: str, sender: str) -> bool:
        """Whether the user may use the address."""
        return self.people.may_send_as(user, sender)

    def locked_out(self, client: str) -> float:
        """Seconds for which one more client of that address could not log in; 0: it can try."""
        if self._throttle.at_home(client):
            return 0.0
        wait = self._throttle.wait(self._clock(), client) / 1000
        _, waiting = self._turns.get(group(client), (None, 0))
        return wait or (_QUEUED if waiting >= _MOST_WAITING else 0.0)

    def begin(self, mechanism: str, client: str) -> Plain | Login | Scram | None:
        """A client of that address begins to log in; None: there is no such mechanism."""
        checks = _Checks(self, client)
        match mechanism:
            case "PLAIN":
                return Plain(checks)
            case "LOGIN":
                return Login(checks)
            case scram.MECHANISM:
                return Scram(checks, lambda: secrets.token_urlsafe(18))
        return None

    async def password(self, client: str, mechanism: str, login: str, password: str) -> str:
        """The user whose password it is; raises Refused."""
        name = self.people.name(login)
        async with self._turn(group(client)):
            self._try(client, mechanism, name)
            known = self.people.credential(name)
            try:
                right = await self._hasher.fits(
                    known.argon2 if known is not None else None,
                    saslprep(password),
                    not self._throttle.at_home(client),
                    self._throttle.tries(self._clock(), client),
                )
            except Unprepared:
                right = False
            except Busy:
                self._throttle.undone(client, name)
                raise self._failed(client, mechanism, name, BUSY) from None
            return self._decide(client, mechanism, name, right)

    def verifier(self, login: str) -> Verifier:
        """The user's, or a decoy."""
        name = self.people.name(login)
        known = self.people.credential(name)
        return known.scram if known else scram.decoy(name or login, self._secret, ITERATIONS)

    def proof(self, client: str, login: str, right: Callable[[], str | None]) -> tuple[str, str]:
        """The user, and what `right` says if it says something; raises Refused, BadMessage."""
        name = self.people.name(login)
        self._try(client, scram.MECHANISM, name)
        said = right()
        known = self.people.credential(name) is not None
        return self._decide(client, scram.MECHANISM, name, known and said is not None), said or ""

    def _try(self, client: str, mechanism: str, name: str) -> None:
        if self._throttle.attempt(self._clock(), client, name):
            raise self._failed(client, mechanism, name, TOO_OFTEN)

    def _decide(self, client: str, mechanism: str, name: str, right: bool) -> str:
        if not right or not self.people.active(name):
            raise self._failed(client, mechanism, name, WRONG)
        self._throttle.succeeded(client, name)
        self.logins += 1
        self._emit(Event.LOGGED_IN, client=client, user=name, mechanism=mechanism)
        return name

    def _failed(self, client: str, mechanism: str, name: str, reply: Reply) -> Refused:
        self.failures += 1
        # People type their password where their name belongs: what is no user's name isn't told.
        known = name if self.people.known(name) else ""
        self._emit(
            Event.LOGIN_FAILED, client=client, user=known, mechanism=mechanism, reply=str(reply)
        )
        return Refused(reply)

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        """One password of an address after the other.

        So each is counted before the next is tried, and one address can't fill the queue.
        """
        lock, users = self._turns.get(address, (asyncio.Lock(), 0))
        self._turns[address] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._turns[address]
            if users == 1:
                del self._turns[address]
            else:
                self._turns[address] = (lock, users - 1)


class _Checks:
    """The same for one client (`sasl.Checks`)."""

    def __init__(self, authenticator: Authenticator, client: str) -> None:
        self._authenticator = authenticator
        self._client = client

    async def password(self, mechanism: str, login: str, password: str) -> str:
        return await self._authenticator.password(self._client, mechanism, login, password)

    def verifier(self, login: str) -> Verifier:
        return self._authenticator.verifier(login)

    def proof(self, login: str, right: Callable[[], str | None]) -> tuple[str, str]:
        return self._authenticator.proof(self._client, login, right)
