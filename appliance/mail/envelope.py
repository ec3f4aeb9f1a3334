"""The SMTP envelope of a message (RFC 5321 §2.3.1, DSN parameters RFC 3461)."""

from __future__ import annotations

import msgspec


class Recipient(msgspec.Struct, frozen=True, array_like=True):
    """One forward-path with its DSN parameters.

    `address` is the path without brackets, as the client gave it. `notify` is a
    subset of {"NEVER", "SUCCESS", "FAILURE", "DELAY"}, empty if not given (RFC 3461 §4.1).
    `orcpt` is kept verbatim, xtext still encoded (§4.2).
    """

    address: str
    notify: tuple[str, ...] = ()
    orcpt: str | None = None


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """Sender, recipients and the parameters that travel with a message.

    `sender` is "" for the null sender. `body` is "7BIT", "8BITMIME" or None (not given;
    RFC 6152). `ret` is "FULL", "HDRS" or None, `envid` verbatim xtext (RFC 3461 §4.3, §4.4).
    `received_at` is wall-clock milliseconds, for people only: no rule may depend on it.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    body: str | None = None
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
    client: str = ""
    helo: str = ""
    user: str | None = None
    received_at: int = 0
