"""What is typed into the queue's filter, as the API wants it."""

from __future__ import annotations

from appliance.mail.views import IN_QUEUE, QueueFilter, RecipientStatus

HELP = "from:  to:  is:held|deferred|queued|leased|waiting  or any part of an address or id"
_FIELDS = {"from": "sender", "sender": "sender", "to": "recipient", "recipient": "recipient"}


class NoFilter(ValueError):
    """What was typed cannot be meant."""


def parse(typed: str) -> QueueFilter:
    """The filter; raises NoFilter. A field that is still being typed filters nothing."""
    fields: dict[str, str] = {}
    status: list[RecipientStatus] = []
    text: list[str] = []
    for word in typed.split():
        name, colon, value = word.partition(":")
        if not colon:
            text.append(word)
        elif name in _FIELDS:
            fields[_FIELDS[name]] = value
        elif name == "is":
            status += _statuses(value)
        else:
            raise NoFilter(f"{name}: is no field; there are from:, to: and is:")
    if len(text) > 1:
        raise NoFilter("one piece of text at a time; add from:, to: or is: to it")
    return QueueFilter(
        status=tuple(status),
        sender=fields.get("sender", ""),
        recipient=fields.get("recipient", ""),
        text=text[0] if text else "",
    )


def _statuses(typed: str) -> list[RecipientStatus]:
    if not typed:
        return []
    found = [one for one in RecipientStatus if one in IN_QUEUE and one.startswith(typed.lower())]
    if not found:
        raise NoFilter(f"is:{typed} is none of {', '.join(sorted(IN_QUEUE))}")
    return found
