"""RCPT TO: who is taken as a recipient (RFC 5321 §3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from appliance.mail.aliases import MAX_ADDRESSES
from appliance.mail.envelope import Recipient
from appliance.mail.parameters import rcpt_to
from appliance.mail.reply import Refused, Reply
from appliance.mail.restrictions import Action, Attempt, Reason
from appliance.smtpd import replies
from appliance.smtpd.connection import Connection
from appliance.smtpd.dialogue import Command
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.login import Login
from appliance.smtpd.policy import RELAY_DENIED
from appliance.smtpd.service import Service
from appliance.smtpd.transaction import Transaction

_PATIENCE = 10
"""So many times the allowed recipients may be named before the client is sent away."""


class Recipients(Login):
    """The transaction under way, and its recipients."""

    def __init__(
        self,
        service: Service,
        open_connections: set[Connection],
        loop: asyncio.AbstractEventLoop,
        listener: Listener = RELAY,
    ) -> None:
        super().__init__(service, open_connections, loop, listener)
        self._transaction: Transaction | None = None
        self._mail_refused = False
        """The last MAIL was: what is pipelined behind it is no error of its own."""
        self._of_relay_network: bool | None = None
        """Not asked before the first recipient."""

    @property
    def _may_relay(self) -> bool:
        return bool(self.user or self._of_relay_network)

    async def _rcpt(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            self._out_of_order()
        elif transaction.reception is not None:
            self.fault(replies.RCPT_AFTER_BDAT)
        elif argument[:3].upper() != "TO:":
            self.fault(replies.RCPT_SYNTAX)
        elif transaction.named >= self.limits.recipients:
            self._too_many_recipients(transaction)
        else:
            transaction.named += 1
            await self._recipient(transaction, argument[3:])

    async def _recipient(self, transaction: Transaction, argument: str) -> None:
        try:
            recipient = rcpt_to(argument, transaction.parameters.smtputf8)
            if not self._extended and recipient != Recipient(recipient.address):
                raise Refused(replies.PARAMETERS_NEED_EHLO)
        except Refused as refused:
            self.fault(refused.reply)
            return
        if self._of_relay_network is None:
            # A check comes from the balancer's address, which may well be in a relay network.
            self._of_relay_network = not self.is_check and self.service.policy.may_relay(
                self.client
            )
        refusal = self.service.policy.refusal(recipient.address, self._may_relay)
        more = self.service.policy.size(recipient.address) - 1
        if refusal is None and more and transaction.behind + more > MAX_ADDRESSES:
            self.answer(replies.TOO_MANY_RECIPIENTS)  # it fits into the next message
        elif refusal is None:
            await self._restrict(transaction, recipient, more)
        else:
            reason = Reason.RELAY if refusal is RELAY_DENIED else Reason.UNKNOWN_USER
            self.service.guard.refused(reason)
            self._reject_recipient(transaction, recipient, refusal, reason)

    async def _restrict(self, transaction: Transaction, recipient: Recipient, more: int) -> None:
        """A recipient whom there is, and to whom this client may send in principle."""
        guard, address = self.service.guard, recipient.address
        attempt = Attempt(
            self.client, self._helo, transaction.sender, self.user, not self._may_relay
        )
        decision = guard.decide(attempt, address)
        if decision is not None and decision.reply is not None:
            self._reject_recipient(transaction, recipient, decision.reply, decision.reason)
            return
        if decision is not None and decision.action is Action.DISCARD:
            transaction.discarded += 1
            self.say(replies.RECIPIENT_OK)
            return
        if guard.verifies(address):
            refusal = await self._verify(transaction, address)
            if refusal is not None:
                self._reject_recipient(transaction, recipient, refusal, Reason.UNVERIFIED)
                return
        transaction.held |= decision is not None
        transaction.recipients.append(recipient)
        transaction.behind += more
        self.say(replies.RECIPIENT_OK)

    async def _verify(self, transaction: Transaction, address: str) -> Reply | None:
        """Why the next hop does not take it; all recipients of a message wait for so long."""
        guard = self.service.guard
        begun = self.loop.time()
        refusal = await guard.verified(address, guard.patience - transaction.waited)
        transaction.waited += self.loop.time() - begun
        return refusal

    def _reject_recipient(
        self, transaction: Transaction, recipient: Recipient, reply: Reply, reason: Reason
    ) -> None:
        # Not counted as an error: a list whose members left must not end the connection,
        # its client would come again with the same list for ever.
        self._reject(
            reply, sender=transaction.sender, recipient=recipient.address, reason=str(reason)
        )

    def _too_many_recipients(self, transaction: Transaction) -> None:
        """RFC 5321 §4.5.3.1.10: the client sends the rest in another message."""
        transaction.named += 1
        if transaction.named > _PATIENCE * self.limits.recipients:
            self.hang_up(replies.TOO_MANY_ERRORS, "too many recipients")
        else:
            self.answer(replies.TOO_MANY_RECIPIENTS)

    def _out_of_order(self) -> None:
        """No MAIL before: an error, unless it was refused and the client can't know it yet."""
        if self._mail_refused:
            self.spend()
            self.answer(replies.NEEDS_MAIL)
        else:
            self.fault(replies.NEEDS_MAIL)

    def _reject(self, reply: Reply, **fields: object) -> None:
        """Refuse a sender, a recipient or a message."""
        self.service.emit(
            Event.REJECTED, client=self.client, helo=self._helo, reply=str(reply), **fields
        )
        self.answer(reply)

    commands: ClassVar[Mapping[bytes, Command]] = {**Login.commands, b"RCPT": _rcpt}
