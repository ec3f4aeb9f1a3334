"""What all connections of one server share."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable

from appliance.config.limits import Limits
from appliance.mail.date import date_text
from appliance.mail.networks import group
from appliance.mail.reply import Reply
from appliance.smtpd.accounts import Accounts
from appliance.smtpd.door import Door
from appliance.smtpd.events import Emit
from appliance.smtpd.guard import Guard
from appliance.smtpd.intake import Intake
from appliance.smtpd.policy import Policy
from appliance.smtpd.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_CLIENT, encode
from appliance.smtpd.traffic import Traffic


class Service:
    """The parts and settings sessions work with, and the count of connections.

    `clock` tells milliseconds since 1970; it dates Received fields and decides nothing.
    """

    def __init__(
        self,
        hostname: str,
        limits: Limits,
        policy: Policy,
        intake: Intake,
        emit: Emit,
        clock: Callable[[], int],
        tls_context: Callable[[], ssl.SSLContext | None] = lambda: None,
        accounts: Accounts | None = None,
        guard: Guard | None = None,
        nodes: frozenset[str] = frozenset(),
    ) -> None:
        """`tls_context`: what TLS that begins now is made of, None while there can be none.

        Without `accounts` nobody can log in, without `guard` nothing is restricted.
        `nodes`: addresses of the pair, which probe often: their connections are not worth a line.
        """
        self.hostname = hostname
        self.intake = intake
        self.emit = emit
        self.clock = clock
        self.tls_context = tls_context
        self.accounts = accounts
        self.guard = guard or Guard()
        self.nodes = nodes
        self.door = Door()
        """Of the listeners for users."""
        self.draining = False
        self.traffic = Traffic()
        self.rejected = 0
        """Commands and messages that were answered with 4yz or 5yz."""
        self.greeting = f"220 {hostname} ESMTP Twinpost\r\n".encode()
        self.helo = f"250 {hostname}\r\n".encode()
        self.configure(limits, policy)
        self._connections = 0
        self._by_client: Counter[str] = Counter()
        self._second = -1
        self._date = ""

    def configure(self, limits: Limits, policy: Policy) -> None:
        """Limits from the next client on, the policy from the next recipient on."""
        self.limits = limits
        self.policy = policy
        self._extensions = _extensions(limits)
        self._ehlo: dict[tuple[str, ...], bytes] = {}

    def ehlo(self, *more: str) -> bytes:
        """The answer to EHLO; `more` are extensions that not every session has."""
        found = self._ehlo.get(more)
        if found is None:
            lines = "\n".join((self.hostname, *self._extensions, *more))
            found = self._ehlo[more] = encode(Reply(250, "", lines))
        return found

    def date(self, now: int) -> str:
        """`now` (milliseconds) as RFC 5322 §3.3 wants it, formatted once a second."""
        second = now // 1000
        if second != self._second:
            self._second = second
            self._date = date_text(now)
        return self._date

    def admit(self, client: str) -> Reply | None:
        """Count a connection; or why it can't be served."""
        key = group(client)
        if self._connections >= self.limits.connections:
            return TOO_MANY_CONNECTIONS
        if self._by_client[key] >= self.limits.connections_per_client:
            return TOO_MANY_FROM_CLIENT
        self._connections += 1
        self._by_client[key] += 1
        return None

    def release(self, client: str) -> None:
        """An admitted connection ended."""
        key = group(client)
        self._connections -= 1
        self._by_client[key] -= 1
        if not self._by_client[key]:
            del self._by_client[key]


def _extensions(limits: Limits) -> tuple[str, ...]:
    return (
        "PIPELINING",
        f"SIZE {int(limits.message_size)}",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        # RFC 9422
        f"LIMITS MAILMAX={limits.messages_per_connection} RCPTMAX={limits.recipients}",
        "HELP",
    )
