"""SMTP replies that carry the decision: code, enhanced status (RFC 3463), text."""

from __future__ import annotations

import msgspec


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """One SMTP reply; `enhanced` is "" where RFC 2034 has none, `text` may hold several lines."""

    code: int
    enhanced: str
    text: str

    @property
    def permanent(self) -> bool:
        """5yz: trying the same again is pointless (RFC 5321 §4.2.1)."""
        return self.code >= 500

    @property
    def positive(self) -> bool:
        """2yz or 3yz."""
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}".replace("  ", " ")


class Refused(Exception):
    """Refused: `reply` is what an SMTP client is told, `hint` what an operator can do."""

    def __init__(self, reply: Reply, hint: str = "") -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.hint = hint
