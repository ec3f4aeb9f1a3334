"""AUTH (RFC 4954): only where users send, only in TLS."""

from __future__ import annotations

import base64
import binascii
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from appliance.mail.reply import Refused, Reply
from appliance.smtpd import replies
from appliance.smtpd.accounts import Accounts, Exchange
from appliance.smtpd.dialogue import Command, Dialogue
from appliance.smtpd.inbox import BadLine

_RESPONSE = 12_288
"""Bytes of a line (RFC 4954 §4)."""
_ATTEMPTS = 3
"""Failed logins before the client has to connect again."""


class Login(Dialogue):
    """Knows who the client is."""

    user = ""
    """Who has logged in."""
    _failed_logins = 0

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Between MAIL and the end of a message."""

    def offers(self) -> Sequence[str]:
        """AUTH as long as it would be obeyed."""
        accounts = self._accounts
        if accounts is None or self.tls is None or self.user:
            return super().offers()
        return (*super().offers(), f"AUTH {' '.join(accounts.mechanisms)}")

    @property
    def _accounts(self) -> Accounts | None:
        """The users of the site, None where nobody can log in."""
        return self.service.accounts if self.listener.submission else None

    async def _auth(self, argument: str) -> None:
        accounts = self._accounts
        if accounts is None:
            self.fault(replies.NO_AUTH)
        elif self.tls is None:
            self.fault(replies.AUTH_NEEDS_TLS)
        elif not self._extended:
            self.fault(replies.AUTH_NEEDS_EHLO)
        elif self.user:
            self.fault(replies.NESTED_AUTH)
        elif self.in_transaction:
            self.fault(replies.AUTH_IN_TRANSACTION)
        else:
            await self._begin(accounts, argument)

    async def _begin(self, accounts: Accounts, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        exchange = accounts.begin(mechanism.upper(), self.client)
        if exchange is None:
            self.fault(replies.NO_SUCH_MECHANISM)
            return
        try:
            response = _decoded(initial if initial != "=" else "") if initial else None
            await self._exchange(exchange, response)
        except Refused as refused:
            self._refuse(refused.reply)
        except BadLine as bad:
            if bad.fatal:
                self.hang_up(Reply(500, "5.5.2", str(bad)), str(bad))
            else:
                self._refuse(replies.AUTH_LINE_TOO_LONG)

    async def _exchange(self, exchange: Exchange, response: bytes | None) -> None:
        """Challenges and responses until one side has had enough; raises Refused, BadLine."""
        step = await exchange.step(response)
        while isinstance(step, bytes):
            self.say(b"334 %s\r\n" % base64.b64encode(step))
            line = await self.next_line(_RESPONSE)
            if line is None:
                return  # the client is gone
            if line == b"*":
                raise Refused(replies.AUTH_CANCELLED)
            step = await exchange.step(_decoded(line.decode("ascii", "replace")))
        self.user = step
        self.say(replies.LOGGED_IN)

    def _refuse(self, reply: Reply) -> None:
        self._failed_logins += 1
        if self._failed_logins >= _ATTEMPTS:
            self.answer(reply)
            self.hang_up(replies.TOO_MANY_LOGINS, "too many failed logins")
        else:
            self.answer(reply)
            self.count(reply)

    commands: ClassVar[Mapping[bytes, Command]] = {**Dialogue.commands, b"AUTH": _auth}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(replies.NOT_BASE64) from None
