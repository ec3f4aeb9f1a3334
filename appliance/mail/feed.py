"""What those are told who follow the mail of a node: what came, what changed, what went."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.mail.views import RecipientStatus


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal tells behind a place in it, up to the place `lsn`.

    `tips`: the last record of each incarnation up to there. `accepted`, `touched` (their state
    may be another one) and `gone` are queue ids, in order. `head`: there is nothing behind it.
    `gap`: something in between is not told; what is there has to be counted anew.
    """

    lsn: int
    tips: Mapping[int, int]
    accepted: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    head: bool = True
    gap: bool = False


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its envelope, its size in bytes, and where its recipients stand."""

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    received_at: int
    size: int
    status: frozenset[RecipientStatus]
