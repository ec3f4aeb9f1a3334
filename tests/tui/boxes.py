"""Mailboxes as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.schema import MailboxList
from appliance.mail.views import MailboxEntry, MailboxPage, MailboxView

WHEN = 1_790_000_000_000
MAILBOXES = MailboxList(
    (
        MailboxView(name="anna", messages=2, size=6000),
        MailboxView(name="bert", messages=48_123, size=9 << 30),
    )
)
PAGE = MailboxPage(
    entries=(
        MailboxEntry(
            queue_id="Q99AZE3VXR0002",
            sender="bridge\x1b[2J@ship.test",
            recipients=("anna@ship.test", "anna@line.test"),
            size=3000,
            received_at=WHEN,
        ),
        MailboxEntry(
            queue_id="Q99AZE3VXR0003",
            sender="",
            recipients=("anna@ship.test",),
            size=3000,
            received_at=WHEN + 61_000,
        ),
    )
)
BOXES: Mapping[str, object] = {"/mailboxes": MAILBOXES, "/mailboxes/anna": PAGE}
