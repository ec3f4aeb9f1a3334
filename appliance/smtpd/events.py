"""What the SMTP server logs: a closed vocabulary."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Event(StrEnum):
    """Every event of mail in, with its fields.

    LISTENING, LEFT address port. STOPPED cut_off (connections that did not end in time).
    CONNECTION_REFUSED client reason. CONNECTED client. DISCONNECTED client messages reason.
    ACCEPTED queue_id client helo tls user sender recipients size; tls is "" for plain
    text, user for whoever has not logged in. REJECTED
    client helo sender reply, and recipient or queue_id as far as there is one, and the reason if it
    is one of the site's policy. DISCARDED as ACCEPTED: what the policy forgets although the client
    got 250. NOT_VERIFIED recipient reason, VERIFIED_AS_UNKNOWN recipient reply: what a next hop
    that was asked about a recipient said. PROTOCOL_ERROR client reply. TLS_FAILED client reason.
    FAILED client queue_id error: an error nobody foresaw, answered with 451.
    """

    LISTENING = "smtp_listening"
    LEFT = "smtp_left"
    STOPPED = "smtp_stopped"
    CONNECTION_REFUSED = "smtp_connection_refused"
    CONNECTED = "smtp_connected"
    DISCONNECTED = "smtp_disconnected"
    ACCEPTED = "smtp_accepted"
    REJECTED = "smtp_rejected"
    DISCARDED = "smtp_discarded"
    NOT_VERIFIED = "recipient_not_verified"
    VERIFIED_AS_UNKNOWN = "recipient_unknown"
    PROTOCOL_ERROR = "smtp_protocol_error"
    TLS_FAILED = "smtp_tls_failed"
    FAILED = "smtp_failed"


class Emit(Protocol):
    """Writes one event to the log; must neither raise nor wait."""

    def __call__(self, event: Event, **fields: object) -> None: ...
