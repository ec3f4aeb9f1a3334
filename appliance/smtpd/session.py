"""Mail transactions: MAIL, RCPT, DATA, BDAT (RFC 5321 §3.3, RFC 3030)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from appliance.mail.author import check_author
from appliance.mail.envelope import Envelope
from appliance.mail.parameters import MailParameters, mail_from
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused, Reply
from appliance.mail.trace import protocol, received
from appliance.smtpd import replies
from appliance.smtpd.decoder import ChunkDecoder, DataDecoder, Defect
from appliance.smtpd.dialogue import Command
from appliance.smtpd.events import Event
from appliance.smtpd.reception import Reception
from appliance.smtpd.recipients import Recipients
from appliance.smtpd.transaction import Transaction

_CHUNK = re.compile(r"([0-9]{1,19})( +LAST)?", re.IGNORECASE)
_BLOCK = 256 << 10
_TOLD = 50
"""Recipients that stand in the log."""
"""Bytes of a message handled at a time."""
_NO_PARAMETERS = MailParameters()


class Session(Recipients):
    """What one client sends, and what becomes of it."""

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
            to=[str(one.address) for one in transaction.recipients[:_TOLD]],
            message_id=reception.message_id,
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

    def _failed(self, queue_id: QueueId, error: Exception) -> None:
        self.service.emit(Event.FAILED, queue_id=queue_id, client=self.client, error=repr(error))

    commands: ClassVar[Mapping[bytes, Command]] = {
        **Recipients.commands,
        b"MAIL": _mail,
        b"DATA": _data,
        b"BDAT": _bdat,
    }


async def _take(piece: bytes, defect: Defect | None, reception: Reception) -> None:
    """Hand on what a decoder gave."""
    if defect is not None:
        await reception.refuse(replies.DEFECTS[defect])
    elif piece:
        await reception.add(piece)
