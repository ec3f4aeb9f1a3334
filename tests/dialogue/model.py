"""What a stream of bytes means to an SMTP server: the standards' words, all at once, slowly.

Written apart from the server, without its decoders and without read boundaries, to be compared
with it. It knows the few commands that the fuzzer makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

VERBS = {b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"QUIT"}
LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)*")
BDAT = re.compile(rb"BDAT +(\d+)( +LAST)? *", re.IGNORECASE)
KNOWN = {b"<ann@site.test>", b"<bob@site.test>", b"<postmaster>"}


@dataclass
class Transaction:
    sender: bytes
    recipients: list[bytes] = field(default_factory=list)
    chunks: bytes | None = None
    failed: bool = False


@dataclass
class Model:
    """Reads `stream` up to its end; `codes` are the replies, `messages` what was accepted."""

    stream: bytes
    message_size: int
    codes: list[int] = field(default_factory=lambda: [220])
    messages: list[tuple[bytes, tuple[bytes, ...], bytes]] = field(default_factory=list)
    extended: bool | None = None
    transaction: Transaction | None = None

    def run(self) -> Model:
        while (line := self.next_line()) is not None:
            self.obey(line)
        return self

    def end(self, code: int) -> None:
        """The server hangs up: the rest of the stream means nothing."""
        self.codes.append(code)
        self.stream = b""

    def next_line(self) -> bytes | None:
        line, newline, rest = self.stream.partition(b"\n")
        if not newline:
            return None
        if not line.endswith(b"\r"):
            self.end(500)
            return None
        self.stream = rest
        return line[:-1]

    def obey(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        argument = argument.strip(b" ")
        if verb.startswith(b"BDAT"):
            self.bdat(line)
        elif verb not in VERBS or re.search(rb"[\0-\x1f]", argument):
            self.codes.append(500)
        elif verb in (b"MAIL", b"RCPT", b"DATA"):
            self.transact(verb, argument)
        elif verb in (b"EHLO", b"HELO"):
            self.hello(verb, argument)
        else:
            self.simple(verb, argument)

    def simple(self, verb: bytes, argument: bytes) -> None:
        if verb == b"NOOP":
            self.codes.append(250)
        elif argument:
            self.codes.append(501)
        elif verb == b"RSET":
            self.transaction = None
            self.codes.append(250)
        else:
            self.end(221)

    def transact(self, verb: bytes, argument: bytes) -> None:
        if verb == b"MAIL":
            self.mail(argument)
        elif self.transaction is None:
            self.codes.append(503)
        elif verb == b"RCPT":
            self.rcpt(self.transaction, argument)
        elif argument:
            self.codes.append(501)
        else:
            self.data(self.transaction)

    def hello(self, verb: bytes, argument: bytes) -> None:
        if not argument:
            self.codes.append(501)
            return
        self.transaction = None
        self.extended = verb == b"EHLO"
        self.codes.append(250)

    def mail(self, argument: bytes) -> None:
        match = re.fullmatch(rb"FROM:(<[^<> ]*>)( +SIZE=(\d+))?", argument, re.IGNORECASE)
        if self.extended is None or self.transaction is not None:
            self.codes.append(503)
        elif match is None or (match[1] != b"<>" and not re.fullmatch(rb"<\w+@\w+>", match[1])):
            self.codes.append(501)
        elif match[2] and not self.extended:
            self.codes.append(555)
        elif match[2] and int(match[3]) > self.message_size:
            self.codes.append(552)
        else:
            self.transaction = Transaction(match[1])
            self.codes.append(250)

    def rcpt(self, transaction: Transaction, argument: bytes) -> None:
        match = re.fullmatch(rb"TO:(<\S*>)", argument, re.IGNORECASE)
        if transaction.chunks is not None:
            self.codes.append(503)
        elif match is None or match[1] == b"<>":
            self.codes.append(501)
        elif match[1] in KNOWN:
            transaction.recipients.append(match[1])
            self.codes.append(250)
        else:
            self.codes.append(550 if match[1].endswith(b"@site.test>") else 554)

    def data(self, transaction: Transaction) -> None:
        if transaction.chunks is not None:
            self.codes.append(503)
            return
        if not transaction.recipients:
            self.codes.append(554)
            return
        self.codes.append(354)
        end = (b"\r\n" + self.stream).find(b"\r\n.\r\n")
        if end < 0:
            self.stream = b""
            return
        text, self.stream = self.stream[:end], self.stream[end + 3 :]
        lines = [line.removeprefix(b".") for line in text.split(b"\r\n")]
        self.complete(transaction, b"\r\n".join(lines), bool(LINES.fullmatch(text)))

    def bdat(self, line: bytes) -> None:
        match = BDAT.fullmatch(line)
        if match is None:
            self.end(501)
            return
        size, last, transaction = int(match[1]), bool(match[2]), self.transaction
        if len(self.stream) < size:
            self.stream = b""
            return
        octets, self.stream = self.stream[:size], self.stream[size:]
        if transaction is None or not self.extended:
            self.codes.append(503)
        elif not transaction.recipients:
            self.codes.append(554)
        elif transaction.failed:
            self.codes.append(503)
        else:
            self.chunk(transaction, octets, last)

    def chunk(self, transaction: Transaction, octets: bytes, last: bool) -> None:
        text = transaction.chunks = (transaction.chunks or b"") + octets
        # So far: a CR at the end may still get its LF, a line its end.
        settled = text[: text.rfind(b"\r\n") + 2] if b"\r\n" in text else b""
        tail = text[len(settled) :].removesuffix(b"\r")
        clean = bool(LINES.fullmatch(settled)) and not re.search(rb"[\r\n\0]", tail)
        if last:
            clean = clean and not text.endswith(b"\r")
            complete = text if LINES.fullmatch(text) else text + b"\r\n"
            self.complete(transaction, complete, clean)
        elif len(text) > self.message_size:
            transaction.failed = True
            self.codes.append(552)
        elif not clean:
            transaction.failed = True
            self.codes.append(550)
        else:
            self.codes.append(250)

    def complete(self, transaction: Transaction, text: bytes, clean: bool) -> None:
        self.transaction = None
        if clean and len(text) <= self.message_size:
            self.messages.append((transaction.sender, tuple(transaction.recipients), text))
            self.codes.append(250)
        else:
            self.codes.append(550 if not clean else 552)
