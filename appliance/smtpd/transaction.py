"""What the client said between MAIL FROM and the end of the message."""

from __future__ import annotations

from appliance.mail.envelope import Recipient
from appliance.mail.parameters import MailParameters
from appliance.smtpd.decoder import ChunkDecoder
from appliance.smtpd.reception import Reception


class Transaction:
    """One mail transaction (RFC 5321 §3.3); `named` counts recipients, refused ones too.

    `behind` counts those who get the message as far as an alias stands for more than one,
    `discarded` those who get 250 and nothing. `waited`: seconds for what next hops know.
    """

    __slots__ = (
        "behind",
        "chunks",
        "discarded",
        "held",
        "named",
        "parameters",
        "reception",
        "recipients",
        "sender",
        "waited",
    )

    def __init__(self, sender: str, parameters: MailParameters) -> None:
        self.sender = sender
        self.parameters = parameters
        self.recipients: list[Recipient] = []
        self.named = 0
        self.behind = 0
        self.discarded = 0
        self.held = False
        self.waited = 0.0
        self.chunks: ChunkDecoder | None = None
        self.reception: Reception | None = None

    @property
    def named_any(self) -> bool:
        """Whether a recipient got 250."""
        return bool(self.recipients or self.discarded)
