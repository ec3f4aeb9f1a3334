"""Which recipients a queue filter means."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from appliance.mail.address import canonical, domain_key, normal_domain
from appliance.mail.views import IN_QUEUE, QueueFilter, RecipientStatus, RecipientView
from appliance.spool.tally import Standing

_CAN_BE = {
    Standing.NEW: (RecipientStatus.QUEUED, RecipientStatus.WAITING),
    Standing.TRIED: (RecipientStatus.DEFERRED, RecipientStatus.WAITING),
    Standing.HELD: (RecipientStatus.HELD,),
    Standing.LEASED: (RecipientStatus.LEASED,),
}


class Wanted:
    """A `QueueFilter`, ready to be asked of many messages."""

    def __init__(self, wanted: QueueFilter) -> None:
        self._sender = _pattern(wanted.sender)
        self._recipient = _pattern(wanted.recipient)
        self._text = wanted.text.casefold()
        self._status = frozenset(wanted.status or (RecipientStatus if wanted.ended else IN_QUEUE))

    def stands(self, standings: Iterable[Standing]) -> bool:
        """Whether a recipient in the queue that stands so can be meant."""
        return any(self._status.intersection(_CAN_BE[one]) for one in standings)

    def sender(self, address: str) -> bool:
        """Whether a message from `address` can be meant."""
        return self._sender(address)

    def everyone(self, queue_id: str, sender: str) -> bool:
        """Whether the text that is looked for stands in what all recipients share."""
        return queue_id.casefold().startswith(self._text) or self._text in sender.casefold()

    def recipient(self, view: RecipientView, everyone: bool) -> bool:
        """Whether this recipient is meant, by the address it had or the one it has."""
        if view.status not in self._status:
            return False
        if not (self._recipient(view.address) or self._recipient(view.original)):
            return False
        return everyone or self._text in f"{view.address}\n{view.original}".casefold()


def _pattern(text: str) -> Callable[[str], bool]:
    """An address, "@domain", "@.subdomains-of"; everything if empty.

    People who look for mail write addresses as they like, so case never matters here.
    """
    if not text:
        return lambda address: True
    if text.startswith("@."):
        parent = "." + normal_domain(text[2:])
        return lambda address: domain_key(address).endswith(parent)
    if text.startswith("@"):
        domain = normal_domain(text[1:])
        return lambda address: domain_key(address) == domain
    whole = canonical(text)
    return lambda address: canonical(address) == whole
