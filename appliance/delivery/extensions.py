"""What a next hop offers, and what a message needs of it (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from appliance.delivery.content import Content
from appliance.mail import xtext
from appliance.mail.envelope import Envelope
from appliance.mail.reply import Reply
from appliance.mail.work import LeasedRecipient

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

NOT_EIGHT_BIT = Reply(554, "5.6.3", "the next hop takes no 8-bit content (RFC 6152 §3)")
NOT_UTF8 = Reply(553, "5.6.7", "the next hop takes no UTF-8 addresses or header fields (RFC 6531)")
BAD_SENDER = Reply(553, "5.1.7", "the sender's address holds a control character")
BAD_RECIPIENT = Reply(553, "5.1.3", "the recipient's address holds a control character")


class Peer(msgspec.Struct, frozen=True):
    """The extensions a server named in its answer to EHLO.

    `size` is its limit in bytes, 0 if it has none, None if it does not say SIZE (RFC 1870).
    """

    pipelining: bool = False
    size: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False

    @classmethod
    def offering(cls, extensions: Mapping[str, str]) -> Peer:
        """From EHLO keywords in lower case with their parameters."""
        size = extensions.get("size")
        return cls(
            pipelining="pipelining" in extensions,
            size=None if size is None else _size(size),
            eight_bit="8bitmime" in extensions,
            smtputf8="smtputf8" in extensions,
            dsn="dsn" in extensions,
        )


class Plan(msgspec.Struct, frozen=True):
    """The commands of a transaction; a recipient has either its command or its refusal."""

    mail: bytes
    recipients: tuple[bytes | Reply, ...]


def plan(
    peer: Peer,
    envelope: Envelope,
    recipients: Sequence[LeasedRecipient],
    content: Content,
    size: int,
) -> Plan:
    """What to say to `peer`; `size` is of the content. Raises LookupError without content."""
    refusal = _refusal(peer, envelope, content, size)
    if refusal is not None:
        return Plan(b"", (refusal,) * len(recipients))
    utf8 = envelope.smtputf8 or not all(r.address.isascii() for r in recipients)
    return Plan(
        _mail(peer, envelope, content, size, utf8),
        tuple([_rcpt(peer, envelope, recipient) for recipient in recipients]),
    )


def verification(peer: Peer, address: str) -> tuple[bytes, bytes]:
    """The commands that ask whether `address` would be taken."""
    utf8 = peer.smtputf8 and not address.isascii()
    return _command(f"MAIL FROM:<>{' SMTPUTF8' if utf8 else ''}"), _command(f"RCPT TO:<{address}>")


def _refusal(peer: Peer, envelope: Envelope, content: Content, size: int) -> Reply | None:
    """Why `peer` can't be given the message at all."""
    if _CONTROL.search(envelope.sender):
        return BAD_SENDER
    if peer.size and size > peer.size:
        text = f"{size} bytes are more than the next hop takes ({peer.size}, RFC 1870)"
        return Reply(552, "5.3.4", text)
    if not peer.smtputf8:
        international = envelope.smtputf8 and not content.header_is_ascii()
        if international or not envelope.sender.isascii():
            return NOT_UTF8
    if not peer.eight_bit and not content.is_ascii:
        return NOT_EIGHT_BIT
    return None


def _mail(peer: Peer, envelope: Envelope, content: Content, size: int, utf8: bool) -> bytes:
    line = f"MAIL FROM:<{envelope.sender}>"
    if peer.size is not None:
        line += f" SIZE={size}"
    if peer.eight_bit and _eight_bit(envelope, content):
        line += " BODY=8BITMIME"
    if peer.smtputf8 and utf8:
        line += " SMTPUTF8"
    if peer.dsn:
        if envelope.ret is not None:
            line += f" RET={envelope.ret}"
        if envelope.envid is not None:
            line += f" ENVID={envelope.envid}"
    return _command(line)


def _eight_bit(envelope: Envelope, content: Content) -> bool:
    """Whether to declare 8-bit content: as it is, or as declared if looking would be dear."""
    if content.whole is not None:
        return not content.is_ascii
    return envelope.body != "7BIT"


def _rcpt(peer: Peer, envelope: Envelope, leased: LeasedRecipient) -> bytes | Reply:
    if _CONTROL.search(leased.address):
        return BAD_RECIPIENT
    if not peer.smtputf8 and not leased.address.isascii():
        return NOT_UTF8
    line = f"RCPT TO:<{leased.address}>"
    if peer.dsn:
        recipient = envelope.recipients[leased.index]
        if recipient.notify:
            line += f" NOTIFY={','.join(recipient.notify)}"
        orcpt = recipient.orcpt
        if orcpt is None and recipient.address != leased.address and recipient.address.isascii():
            orcpt = f"rfc822;{xtext.encode(recipient.address)}"  # RFC 3461 §4.2: redirected
        if orcpt is not None:
            line += f" ORCPT={orcpt}"
    return _command(line)


def _command(line: str) -> bytes:
    # Everything in a command was checked when it was accepted. Should anything ever slip through
    # there, it ends here as one odd line: never as a second command.
    return _CONTROL.sub("?", line).encode("utf-8", "replace") + b"\r\n"


def _size(parameter: str) -> int:
    digits = parameter.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else 0
