"""Mail transactions: MAIL, RCPT, DATA, BDAT (RFC 5321 §3.3, RFC 3030)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from appliance.mail.aliases import MAX_ADDRESSES
from appliance.mail.author import check_author
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.parameters import MailParameters, mail_from, rcpt_to
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused, Reply
from appliance.mail.restrictions import Action, Attempt, Reason
from appliance.mail.trace import protocol, received
from appliance.smtpd import replies
from appliance.smtpd.connection import Connection
from appliance.smtpd.decoder import ChunkDecoder, DataDecoder, Defect
from appliance.smtpd.dialogue import Command
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.login import Login
from appliance.smtpd.policy import RELAY_DENIED
from appliance.smtpd.reception import Reception
from appliance.smtpd.service import Service
from appliance.smtpd.transaction import Transaction

_CHUNK = re.compile(r"([0-9]{1,19})( +LAST)?", re.IGNORECASE)
_BLOCK = 256 << 10
"""Bytes of a message handled at a time."""
_PATIENCE = 10
"""So many times the allowed recipients may be named before the client is sent away."""
_NO_PARAMETERS = MailParameters()


class Session(Login):
    """What one client sends, and what becomes of it."""

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
        self._may_relay: bool | None = None
        """Not asked before the first recipient."""

    @property
    def in_transaction(self) -> bool:
        return self._transaction is not None

    async def reset(self) -> None:
        transaction, self._transaction = self._transaction, None
        self._mail_refused = False
        if transaction is not None and transaction.reception is not None:
            await transaction.reception.refuse(replies.CLIENT_GONE)

    async def _mail(self, argument: str) -> None:
        if not self._helo:
            self.fault(replies.NEEDS_HELO)
        elif self._transaction is not None:
            self.fault(replies.NESTED_MAIL)
        elif argument[:5].upper() != "FROM:":
            self.fault(replies.MAIL_SYNTAX)
        elif self.listener.submission and not self.user:
            self.fault(replies.NEEDS_AUTH)
        elif self._messages >= self.limits.messages_per_connection:
            self.hang_up(replies.TOO_MANY_MESSAGES, "too many messages")
        else:
            try:
                sender, parameters = mail_from(argument[5:])
                self._check_parameters(parameters)
                self._check_sender(sender)
                self.service.intake.available()
                self._check_rate()
            except Refused as refused:
                self._mail_refused = True
                self._reject(refused.reply)
                self.count(refused.reply)
            else:
                self._transaction = Transaction(sender, parameters)
                self.say(replies.SENDER_OK)

    def _check_parameters(self, parameters: MailParameters) -> None:
        if not self._extended and parameters != _NO_PARAMETERS:
            raise Refused(replies.PARAMETERS_NEED_EHLO)
        # RFC 1870 §6.1: refused before the client sends it all.
        if parameters.size is not None and parameters.size > self.limits.message_size:
            raise Refused(replies.TOO_BIG)

    def _check_rate(self) -> None:
        refusal = None if self.is_check else self.service.guard.message(self.client, self.user)
        if refusal is not None:
            raise Refused(refusal)

    def _check_sender(self, sender: str) -> None:
        """A user has a right to some addresses, and to none: reports are sent like that."""
        accounts = self.service.accounts
        if not self.user or accounts is None:
            return
        if not accounts.active(self.user):
            raise Refused(replies.NO_LONGER_ACTIVE)
        if sender and not accounts.may_send_as(self.user, sender):
            raise Refused(replies.NOT_YOUR_ADDRESS)

    def _check_author(self) -> Callable[[bytes], None] | None:
        """What to do with the header of the message."""
        accounts, user = self.service.accounts, self.user
        if not user or accounts is None or not accounts.check_from:
            return None
        return lambda content: check_author(content, partial(accounts.may_send_as, user))

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
        if self._may_relay is None:
            # A check comes from the balancer's address, which may well be in a relay network.
            self._may_relay = bool(self.user) or (
                not self.is_check and self.service.policy.may_relay(self.client)
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

    async def _data(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            self._out_of_order()
        elif argument:
            self.fault(replies.NO_ARGUMENT_ALLOWED)
        elif transaction.reception is not None:
            self.fault(replies.DATA_AFTER_BDAT)
        elif not transaction.named_any:
            self.spend()
            self.answer(replies.NO_RECIPIENTS)
        else:
            self.say(replies.START_DATA)
            await self._receive_data(transaction)

    async def _receive_data(self, transaction: Transaction) -> None:
        reception = transaction.reception = self._new_reception(transaction)
        decoder = DataDecoder(self.limits.text_line)
        while not decoder.done:
            block = await self.next_block(_BLOCK)
            if not block:
                return  # the client is gone: `reset` follows
            await _take(decoder.feed(block), decoder.defect, reception)
        self.inbox.put_back(decoder.rest)
        await self._complete(transaction, reception)

    async def _bdat(self, argument: str) -> None:
        match = _CHUNK.fullmatch(argument)
        if match is None:
            # Nobody knows where the chunk would end: read as commands it could do anything.
            self.hang_up(replies.BDAT_SYNTAX, "unreadable BDAT")
            return
        size, last = int(match[1]), match[2] is not None
        transaction = self._transaction
        if transaction is None:
            if await self._discard(size):
                self._out_of_order()
            return
        refusal = self._chunk_refusal(transaction)
        if refusal is not None:
            # RFC 3030 §2: a refused chunk is read all the same, then answered.
            if await self._discard(size):
                self.fault(refusal)
            return
        await self._receive_chunk(transaction, size, last)

    def _chunk_refusal(self, transaction: Transaction) -> Reply | None:
        if not self._extended:
            return replies.NEEDS_EHLO
        if not transaction.named_any:
            return replies.NO_RECIPIENTS
        if transaction.reception is not None and transaction.reception.refusal is not None:
            return replies.CHUNK_FAILED_BEFORE
        return None

    async def _receive_chunk(self, transaction: Transaction, size: int, last: bool) -> None:
        if transaction.reception is None:
            transaction.reception = self._new_reception(transaction)
            transaction.chunks = ChunkDecoder(self.limits.text_line)
        reception, decoder = transaction.reception, transaction.chunks
        assert decoder is not None
        if reception.size + size > self.limits.message_size:
            await reception.refuse(replies.TOO_BIG)
        left = size
        while left:
            block = await self.next_block(min(left, _BLOCK))
            if not block:
                return  # the client is gone: `reset` follows
            left -= len(block)
            await _take(decoder.feed(block), decoder.defect, reception)
        if last:
            await _take(decoder.finish(), decoder.defect, reception)
            await self._complete(transaction, reception)
        elif reception.refusal is not None:
            self._reject(reception.refusal, queue_id=reception.queue_id)
            self.count(reception.refusal)
        else:
            if not size:
                self.spend()
            self.say(b"250 2.0.0 %d octets received\r\n" % size)

    async def _discard(self, size: int) -> bool:
        """Read and forget the octets of a chunk; False if the client is gone before their end."""
        while size:
            block = await self.next_block(min(size, _BLOCK))
            if not block:
                return False
            size -= len(block)
        return True

    def _new_reception(self, transaction: Transaction) -> Reception:
        service = self.service
        queue_id = service.intake.new_queue_id()
        trace = received(
            helo=self._helo,
            client=self.client,
            node=service.hostname,
            protocol=protocol(
                self._extended,
                self.tls is not None,
                bool(self.user),
                transaction.parameters.smtputf8,
            ),
            tls=self.tls.cipher if self.tls else "",
            queue_id=queue_id,
            recipients=tuple(recipient.address for recipient in transaction.recipients),
            date=service.date(service.clock()),
        )
        return Reception(
            service.intake,
            queue_id,
            trace,
            service.limits.message_size,
            self._failed,
            self._check_author(),
        )

    async def _complete(self, transaction: Transaction, reception: Reception) -> None:
        """The whole message is here: commit it, then answer.

        Crash windows: before the commit the client got no 250 and sends again; after it, with
        the 250 lost, it sends again too, and a duplicate is all that comes of it.
        """
        self._transaction = None
        if self.transport is None:
            await reception.refuse(replies.CLIENT_GONE)
        if transaction.recipients:
            refusal = await reception.commit(self._envelope(transaction), transaction.held)
        else:
            refusal = await reception.forget()
        if refusal is not None:
            self._reject(refusal, sender=transaction.sender, queue_id=reception.queue_id)
            self.count(refusal)
            return
        self._messages += 1
        self._errors = self._idle = 0
        self.say(b"250 2.0.0 Ok: queued as %s\r\n" % reception.queue_id.encode())
        self.service.emit(
            Event.ACCEPTED if transaction.recipients else Event.DISCARDED,
            queue_id=reception.queue_id,
            client=self.client,
            helo=self._helo,
            tls=f"{self.tls.version} {self.tls.cipher}" if self.tls else "",
            user=self.user,
            sender=transaction.sender,
            recipients=len(transaction.recipients),
            size=reception.size,
        )

    def _envelope(self, transaction: Transaction) -> Envelope:
        parameters = transaction.parameters
        return Envelope(
            sender=transaction.sender,
            recipients=self.service.policy.expand(transaction.recipients),
            body=parameters.body,
            smtputf8=parameters.smtputf8,
            ret=parameters.ret,
            envid=parameters.envid,
            client=self.client,
            helo=self._helo,
            user=self.user or None,
            received_at=self.service.clock(),
        )

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

    def _failed(self, queue_id: QueueId, error: Exception) -> None:
        self.service.emit(Event.FAILED, queue_id=queue_id, client=self.client, error=repr(error))

    commands: ClassVar[Mapping[bytes, Command]] = {
        **Login.commands,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"BDAT": _bdat,
    }


async def _take(piece: bytes, defect: Defect | None, reception: Reception) -> None:
    """Hand on what a decoder gave."""
    if defect is not None:
        await reception.refuse(replies.DEFECTS[defect])
    elif piece:
        await reception.add(piece)
