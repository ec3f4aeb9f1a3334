"""A plain SMTP client for `twinpost send`: several connections, each reused."""

from __future__ import annotations

import re
import smtplib
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses

_QUEUED_AS = re.compile(r"queued as (\S+)")
_HEADER_END = re.compile(rb"\r\n\r\n")


@dataclass(frozen=True)
class Mail:
    """One message to send: envelope, and content with CRLF line ends."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Sent:
    """What became of one message. `code` is 0 if there was no reply; the text says why.

    `refused` are recipients that the server did not take, with its replies.
    """

    mail: Mail
    code: int
    text: str
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def taken(self) -> bool:
        """The server answered 250 for every recipient."""
        return self.code == 250 and not self.refused

    @property
    def queue_id(self) -> str:
        """The id the server told, "" if none."""
        told = _QUEUED_AS.search(self.text) if self.code == 250 else None
        return told[1] if told else ""


def envelope_of(content: bytes) -> tuple[str, tuple[str, ...]]:
    """(sender, recipients) as the header fields say it, for mail without an envelope."""
    end = _HEADER_END.search(content)
    fields = BytesHeaderParser(policy=compat32).parsebytes(content[: end.end() if end else None])
    sender = getaddresses([str(fields.get("Return-Path") or fields.get("From") or "")])
    to = [str(value) for name in ("To", "Cc", "Bcc") for value in fields.get_all(name, [])]
    recipients = dict.fromkeys(address for _, address in getaddresses(to) if "@" in address)
    return (sender[0][1] if sender else ""), tuple(recipients)


class Pool:
    """Sends over up to `connections` connections to one server; use it in a `with` block."""

    def __init__(self, host: str, port: int, connections: int, timeout: float) -> None:
        self._address = host, port
        self._timeout = timeout
        self._connections = connections
        self._local = threading.local()
        self._open: list[smtplib.SMTP] = []
        self._executor = ThreadPoolExecutor(connections, "send")

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        for connection in self._open:
            try:
                connection.quit()
            except (smtplib.SMTPException, OSError):
                connection.close()  # it was lost already: nothing left to say good-bye to

    def send(self, mails: Iterable[Mail]) -> Iterator[Sent]:
        """Send, yielding results as they come, not in order; never more in memory than needed."""
        pending: set[Future[Sent]] = set()
        for mail in mails:
            pending.add(self._executor.submit(self._send, mail))
            if len(pending) > 2 * self._connections:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)

    def _send(self, mail: Mail) -> Sent:
        try:
            return _transaction(self._connection(), mail)
        except smtplib.SMTPResponseException as error:
            self._forget()
            return Sent(mail, error.smtp_code, _text(error.smtp_error))
        except (smtplib.SMTPException, OSError) as error:
            self._forget()
            return Sent(mail, 0, str(error) or type(error).__name__)

    def _connection(self) -> smtplib.SMTP:
        connection: smtplib.SMTP | None = getattr(self._local, "connection", None)
        if connection is None:
            # The name is given, or smtplib would ask DNS for it.
            connection = smtplib.SMTP(local_hostname="localhost", timeout=self._timeout)
            code, text = connection.connect(*self._address)
            if code != 220:
                connection.close()
                raise smtplib.SMTPConnectError(code, text)
            connection.ehlo_or_helo_if_needed()
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def _forget(self) -> None:
        connection: smtplib.SMTP | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            self._open.remove(connection)
            connection.close()


def _transaction(connection: smtplib.SMTP, mail: Mail) -> Sent:
    """One transaction (RFC 5321 §3.3); leaves the connection fit for the next."""
    code, text = connection.mail(mail.sender, _options(connection, mail))
    if code != 250:
        connection.rset()
        return Sent(mail, code, _text(text))
    refused, refusal = [], 0
    for recipient in mail.recipients:
        code, text = connection.rcpt(recipient)
        if code not in (250, 251):
            refused.append((recipient, f"{code} {_text(text)}"))
            refusal = code
    if len(refused) == len(mail.recipients):
        connection.rset()
        return Sent(mail, refusal, refused[-1][1][4:], tuple(refused))
    code, text = connection.data(mail.content)
    return Sent(mail, code, _text(text), tuple(refused))


def _options(connection: smtplib.SMTP, mail: Mail) -> list[str]:
    options = []
    if connection.has_extn("size"):
        options.append(f"SIZE={len(mail.content)}")
    if connection.has_extn("8bitmime") and not mail.content.isascii():
        options.append("BODY=8BITMIME")
    if not all(map(str.isascii, (mail.sender, *mail.recipients))):
        if not connection.has_extn("smtputf8"):
            raise smtplib.SMTPNotSupportedError("the server takes no addresses beyond ASCII")
        options.append("SMTPUTF8")
        connection.command_encoding = "utf-8"
    return options


def _text(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else reply
    return " ".join(text.split("\n"))
