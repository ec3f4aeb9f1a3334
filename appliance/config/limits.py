"""What an SMTP client may ask of a node."""

from __future__ import annotations

import msgspec

from appliance.config.units import Duration, Size, Wrong


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of mail in; every default is safe to leave.

    message_size: of one message as the client sends it (RFC 1870). recipients: of one message,
    refused ones included. connections: at one moment in all; connections_per_client: of one
    IPv4 address or IPv6 /64. messages_per_connection: after these the client must connect again.
    idle_commands: between two messages, those that bring no message nearer (NOOP, RSET, …).
    errors: between two messages, before the connection is closed. command_line: bytes of a
    command with its parameters. text_line: bytes of a line of a message; real mail goes far
    beyond the 1000 of RFC 5321 §4.5.3.1.6, and is passed on unchanged.
    command_timeout: for the next command; data_timeout: for the next piece of a message
    (RFC 5321 §4.5.3.2); handshake_timeout: for the whole of a TLS handshake; close_timeout: for
    a client to leave after 421, or to take its replies.
    """

    message_size: Size = Size(50 << 20)
    recipients: int = 1000
    connections: int = 1000
    connections_per_client: int = 250
    messages_per_connection: int = 10_000
    idle_commands: int = 100
    errors: int = 20
    command_line: Size = Size(4096)
    text_line: Size = Size(1 << 20)
    command_timeout: Duration = Duration(300_000)
    data_timeout: Duration = Duration(300_000)
    handshake_timeout: Duration = Duration(20_000)
    close_timeout: Duration = Duration(10_000)

    def __post_init__(self) -> None:
        # What every server must take: RFC 5321 §4.5.3.1.6 to §4.5.3.1.8. A command line must
        # hold a path of 256 octets, an ORCPT of 500 and the keywords (RFC 3461 §10.2).
        self._at_least("message_size", 64 << 10)
        self._at_least("recipients", 100)
        self._at_least("command_line", 1024)
        self._at_least("text_line", 1000)
        for name in ("connections", "connections_per_client", "messages_per_connection"):
            self._at_least(name, 1)
        for name in ("idle_commands", "errors"):
            self._at_least(name, 1)
        for name in ("command_timeout", "data_timeout", "handshake_timeout", "close_timeout"):
            self._at_least(name, 1)

    def _at_least(self, name: str, least: int) -> None:
        if getattr(self, name) < least:
            raise Wrong(f"{name} is below {least}, the least that can work", f"use {least} or more")
