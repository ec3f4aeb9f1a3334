"""A message of the queue in a few words."""

from __future__ import annotations

from typing import Protocol

from textual.content import Content

from appliance.mail.figures import time_text
from appliance.mail.views import RecipientView
from tui.text import EMPTY, foreign, join


class Listed(Protocol):
    """What an entry of the queue and a message's story have in common."""

    @property
    def queue_id(self) -> str: ...

    @property
    def sender(self) -> str: ...

    @property
    def recipients(self) -> tuple[RecipientView, ...]: ...


# Sign and style of each state: the word stands beside it, so neither carries meaning alone.
_SIGNS = {
    "queued": ("· ", ""),
    "leased": ("→ ", "$success"),
    "deferred": ("▲ ", "$warning"),
    "held": ("■ ", "$accent"),
    "waiting": ("… ", "$quiet"),
    "delivered": ("✔ ", "$success"),
    "bounced": ("✖ ", "$error"),
    "expired": ("✖ ", "$error"),
    "removed": ("× ", "$quiet"),
}


def sender_text(address: str) -> Content:
    """A sender; reports have none."""
    return foreign(address) if address else Content.assemble(("<> (a report)", "$quiet"))


def recipients_text(recipients: tuple[RecipientView, ...], others: int = 0) -> Content:
    """The first recipients, and how many more there are."""
    shown = [foreign(one.address) for one in recipients[:3]]
    hidden = len(recipients[3:]) + others
    more = Content(f" and {hidden} more") if hidden else EMPTY
    return Content.assemble(join(shown, ", "), more)


def states_text(states: list[str]) -> Content:
    """Where recipients stand, each state once."""
    once = list(dict.fromkeys(states))
    sign, style = _SIGNS.get(once[0], ("", "")) if once else ("", "")
    return Content.assemble((sign + ", ".join(once), style))


def due_text(recipients: tuple[RecipientView, ...]) -> Content:
    """When the next attempt is."""
    dues = [one.due_in for one in recipients if one.due_in is not None]
    if not dues:
        return Content("–")
    soonest = min(dues)
    return Content("in " + time_text(soonest) if soonest > 0 else "now")
