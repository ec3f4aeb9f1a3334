"""An SMTP dialogue: one command after the other, answers, and patience that ends."""

from __future__ import annotations

import asyncio
import re
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.mail.reply import Reply
from appliance.mail.restrictions import Reason
from appliance.mail.visible import visible
from appliance.smtpd import replies
from appliance.smtpd.connection import Connection
from appliance.smtpd.events import Event
from appliance.smtpd.inbox import BadLine
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.replies import encode
from appliance.smtpd.service import Service

Command = Callable[[Any, str], Awaitable[None]]
"""A method of a dialogue: obeys a command with that argument."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# RFC 3207 §4; AUTH, which has its own word for it (RFC 4954 §6); and BDAT, of which nobody could
# tell where it ends unless it is obeyed: it is refused for want of a transaction.
_BEFORE_TLS = frozenset(
    {b"EHLO", b"HELO", b"STARTTLS", b"AUTH", b"NOOP", b"RSET", b"HELP", b"QUIT", b"BDAT"}
)
# Browsers can be made to post to a mail server that trusts their network.
_NOT_MAIL = frozenset({b"CONNECT", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"})


class Dialogue(Connection):
    """Commands that need no message (RFC 5321 §4.1), and what is common to all."""

    def __init__(
        self,
        service: Service,
        open_connections: set[Connection],
        loop: asyncio.AbstractEventLoop,
        listener: Listener = RELAY,
    ) -> None:
        super().__init__(service, open_connections, loop, listener)
        self.limits = service.limits
        self._helo = ""
        self._extended = False
        self._messages = 0
        self._errors = 0
        self._idle = 0

    @abstractmethod
    async def reset(self) -> None:
        """Forget the transaction."""

    async def converse(self) -> None:
        service = self.service
        probed = self.is_check or self.client in service.nodes
        if not probed:  # one every other second
            service.emit(Event.CONNECTED, client=self.client)
        try:
            if await self._waits_for_greeting():
                self.say(service.greeting)
                while await self._next_command():
                    pass
        finally:
            await self.reset()
        if not probed:
            reason = self.end_reason or "closed by client"
            service.emit(
                Event.DISCONNECTED, client=self.client, messages=self._messages, reason=reason
            )

    async def _waits_for_greeting(self) -> bool:
        """Whether the client is silent until it is greeted (RFC 5321 §4.3.1), as far as asked."""
        seconds = self.service.guard.greet_wait(self.client)
        if (
            not seconds
            or self.is_check
            or self.client in self.service.nodes
            or self.listener.submission
        ):
            return True
        spoke = False
        try:
            async with asyncio.timeout(seconds):
                spoke = self.inbox.waiting > 0 or await self.inbox.more()
        except TimeoutError:
            return True
        if spoke:
            self.service.guard.refused(Reason.EARLY_TALKER)
            self.hang_up(replies.EARLY_TALKER, "early talker")
        return not spoke

    async def _next_command(self) -> bool:
        """Obey one command; False if there is none any more."""
        try:
            line = await self.next_line()
        except BadLine as bad:
            reply = Reply(500, "5.5.2", str(bad))
            if bad.fatal:
                self.hang_up(reply, str(bad))
            else:
                self.fault(reply)
            return True
        if line is None:
            return False
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        command = self.commands.get(verb)
        text = _text(argument)
        if command is None or text is None:
            self._no_command(verb)
        elif self.needs_tls and verb not in _BEFORE_TLS:
            self.fault(replies.NEEDS_TLS)
        else:
            await command(self, text)
        return True

    def _no_command(self, verb: bytes) -> None:
        if verb in _NOT_MAIL:
            self.hang_up(replies.NOT_MAIL, "not a mail client")
        elif verb.startswith(b"BDAT"):
            # What follows may be a chunk: read as commands it could do anything.
            self.hang_up(replies.BDAT_SYNTAX, "unreadable BDAT")
        elif verb in self.commands:
            self.fault(replies.BAD_CHARACTER)
        else:
            self.fault(replies.UNKNOWN_COMMAND)

    # Answers

    def answer(self, reply: Reply) -> None:
        """Say `reply`; 421 ends the connection (RFC 5321 §3.8)."""
        self.service.rejected += reply.code >= 400
        if reply.code == 421:
            self.hang_up(reply, reply.text)
        else:
            self.say(encode(reply))

    def fault(self, reply: Reply) -> None:
        """The client broke the protocol."""
        self.service.traffic.faults += 1
        self.service.emit(Event.PROTOCOL_ERROR, client=self.client, reply=str(reply))
        self.answer(reply)
        self.count(reply)

    def count(self, reply: Reply) -> None:
        """A refusal uses up patience."""
        if not reply.permanent:
            self.spend()
            return
        self._errors += 1
        if self._errors >= self.limits.errors:
            self.hang_up(replies.TOO_MANY_ERRORS, "too many errors")

    def spend(self) -> None:
        """A command that brings no message nearer."""
        self._idle += 1
        if self._idle > self.limits.idle_commands:
            self.hang_up(replies.TOO_MANY_IDLE_COMMANDS, "too many commands without mail")

    # Commands without a message

    async def _ehlo(self, argument: str) -> None:
        await self._greet(argument, extended=True)

    async def _basic_helo(self, argument: str) -> None:
        await self._greet(argument, extended=False)

    async def _greet(self, argument: str, extended: bool) -> None:
        words = argument.split()
        if not words:
            self.fault(replies.NEEDS_HOSTNAME)
            return
        self.spend()
        await self.reset()  # RFC 5321 §4.1.4
        self._helo = visible(words[0], 255)
        self._extended = extended
        self.say(self.service.ehlo(*self.offers()) if extended else self.service.helo)

    def offers(self) -> Sequence[str]:
        """The extensions that this session has now, besides those that all have."""
        can_start = self.tls is None and self.service.tls_context() is not None
        return ("STARTTLS",) if can_start else ()

    @property
    def needs_tls(self) -> bool:
        """Whether nothing may be sent before TLS."""
        return self.listener.submission and self.tls is None

    async def _starttls(self, argument: str) -> None:
        """RFC 3207 §4."""
        context = self.service.tls_context()
        if argument:
            self.fault(replies.NO_ARGUMENT_ALLOWED)
        elif self.tls is not None:
            self.fault(replies.NESTED_TLS)
        elif context is None:
            self.spend()
            self.answer(replies.NO_TLS)
        else:
            await self.reset()
            await self._switch(context)

    async def _switch(self, context: ssl.SSLContext) -> None:
        if self.inbox.waiting:
            # Someone in between may have put it there, to be obeyed as if it came in TLS.
            self.hang_up(replies.TEXT_AFTER_STARTTLS, "data after STARTTLS")
            return
        self.say(replies.START_TLS)
        # §4.2: what is known of the client is forgotten.
        self._helo, self._extended = "", False
        if not await self.start_tls(context):
            self.finish("TLS failed")

    async def _rset(self, argument: str) -> None:
        if argument:
            self.fault(replies.NO_ARGUMENT_ALLOWED)
            return
        self.spend()
        await self.reset()
        self.say(replies.OK)

    async def _noop(self, argument: str) -> None:
        self.spend()
        self.say(replies.OK)

    async def _help(self, argument: str) -> None:
        self.spend()
        self.say(replies.HELP)

    async def _vrfy(self, argument: str) -> None:
        if not argument:
            self.fault(replies.NEEDS_VRFY_ARGUMENT)
            return
        self.spend()
        self.say(replies.CANNOT_VERIFY)  # RFC 5321 §7.3: names are nobody's business

    async def _expn(self, argument: str) -> None:
        self.spend()
        self.answer(replies.NOT_IMPLEMENTED)

    async def _quit(self, argument: str) -> None:
        if argument:
            self.fault(replies.NO_ARGUMENT_ALLOWED)
            return
        self.say(replies.BYE)
        self.finish("quit")

    commands: ClassVar[Mapping[bytes, Command]] = {
        b"EHLO": _ehlo,
        b"HELO": _basic_helo,
        b"STARTTLS": _starttls,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"HELP": _help,
        b"VRFY": _vrfy,
        b"EXPN": _expn,
        b"QUIT": _quit,
    }


def _text(argument: bytes) -> str | None:
    """The argument of a command, None if it holds control characters or is not UTF-8."""
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        return None
    # What else is not printable is for the grammar of addresses to judge.
    if not text.isprintable() and _CONTROL.search(argument):
        return None
    return text.strip(" ")
