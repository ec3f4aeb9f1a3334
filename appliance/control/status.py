"""What the state of a node means: one sentence, and whether clients should be sent here."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.control.schema import Health
from appliance.control.schema_alerts import AlertView
from appliance.mail.views import MailView


def summary(found: Sequence[AlertView]) -> str:
    """The state of the node in one sentence, given what is not as it should be."""
    if not found:
        return "Healthy: every message is on both nodes before a client gets its 250."
    others = len(found) - 1
    more = f" (and {others} more alert{'s' if others > 1 else ''})" if others else ""
    return found[0].text + more


def health(mail: MailView | None, maintenance: bool) -> Health:
    """Whether a client of this node would get its 250 now, and should be sent here."""
    if mail is None:
        return Health(ok=False, mode="down", reason="the mail process does not answer")
    if maintenance:
        return Health(ok=False, mode=mail.mode, reason="maintenance")
    return Health(ok=mail.accepting, mode=mail.mode, reason=mail.reason)
