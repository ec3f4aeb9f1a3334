"""Trace information: Received and Return-Path fields, hop count (RFC 5321 §4.4, §6.3)."""

from __future__ import annotations

import ipaddress
import re

from appliance.mail.reply import Refused, Reply

MAX_HOPS = 100  # RFC 5321 §6.3
# Each hop prepends its field: a hundred of them are long over before this.
_SCANNED = 256 * 1024
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NO_HELO = re.compile(r"[^A-Za-z0-9._:\[\]-]")


def protocol(extended: bool, tls: bool, authenticated: bool, smtputf8: bool) -> str:
    """The registered name after "with" (RFC 3848, RFC 6531 §4.3)."""
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if smtputf8 else "ESMTP") + "S" * tls + "A" * authenticated


def received(
    *,
    helo: str,
    client: str,
    node: str,
    protocol: str,
    queue_id: str,
    recipients: tuple[str, ...],
    date: str,
    tls: str = "",
) -> bytes:
    """The Received field a node puts on top of a message it takes from `client` (an IP address).

    `helo` is whatever the client said: only what may stand in a domain or a literal is shown.
    A recipient is named only if there is no other, so that nobody learns of blind copies, and
    a non-ASCII one only in a message that is UTF-8 anyway. `tls` is IANA's name of the cipher
    suite, if there was TLS (RFC 8314 §4.3).
    """
    field = (
        f"Received: from {_NO_HELO.sub('?', helo)[:255] or 'unknown'} ({_literal(client)})\r\n"
        f"\tby {node} with {protocol} id {queue_id}"
    )
    if len(recipients) == 1 and (recipients[0].isascii() or protocol.startswith("UTF8")):
        field += f"\r\n\tfor <{recipients[0]}>"
    if tls:
        field += f"\r\n\ttls {tls}"
    return f"{field};\r\n\t{date}\r\n".encode()


def return_path(sender: str) -> bytes:
    """The Return-Path field of final delivery."""
    return f"Return-Path: <{sender}>\r\n".encode()


def split_content(content: bytes) -> tuple[bytes, bytes]:
    """(header fields, body) without the blank line between; no blank line: all is header."""
    if content.startswith(b"\r\n"):
        return b"", content[2:]
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return content, b""
    return content[: end + 2], content[end + 4 :]


def count_received(content: bytes) -> int:
    """How many Received fields the header of `content` (its beginning is enough) has."""
    if content.startswith(b"\r\n"):
        return 0
    end = content.find(b"\r\n\r\n", 0, _SCANNED)
    header = content[: end if end >= 0 else _SCANNED].lower()
    return header.count(b"\nreceived:") + header.startswith(b"received:")


def check_hops(content: bytes) -> None:
    """Refuse a message that goes in circles (§6.3): raises `Refused`."""
    if count_received(content) >= MAX_HOPS:
        raise Refused(
            Reply(554, "5.4.6", "Too many hops, this message goes in circles"),
            "look at its Received fields: two routes send mail to each other",
        )


def _literal(client: str) -> str:
    if _DOTTED.fullmatch(client):
        return f"[{client}]"
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return "unknown"
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
