"""A message as it goes into the index: what is noted of it, and the words of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_

from appliance.mail.feed import Mail
from appliance.mail.views import RecipientStatus
from appliance.search.catalogue import Document, Kind, State
from appliance.search.text import Text
from appliance.search.words import words

_STATES: Mapping[RecipientStatus, State] = {
    RecipientStatus.QUEUED: State.QUEUED,
    RecipientStatus.LEASED: State.QUEUED,
    RecipientStatus.WAITING: State.QUEUED,
    RecipientStatus.DEFERRED: State.DEFERRED,
    RecipientStatus.HELD: State.HELD,
    RecipientStatus.DELIVERED: State.DELIVERED,
    RecipientStatus.BOUNCED: State.BOUNCED,
    RecipientStatus.EXPIRED: State.BOUNCED,
    RecipientStatus.REMOVED: State.REMOVED,
}
_MOST_NAMES = 200
_LONGEST_NAME = 500


def state_of(status: Iterable[RecipientStatus]) -> int:
    """Where a message stands, as the catalogue notes it."""
    return int(reduce(or_, (_STATES[one] for one in status), State(0)))


def entry(mail: Mail, text: Text) -> tuple[Document, dict[str, list[str]]]:
    """What is noted of a message, and the words of each of `postings.FIELDS`."""
    subject = words(text.subject)
    senders = words(f"{text.senders}\n{mail.sender}")
    recipients = words("\n".join((text.recipients, *mail.recipients)))
    attachments = words(text.attachments)
    fields = {
        "subject": subject,
        "from": senders,
        "to": recipients,
        "attachment": attachments,
        # An empty word in between: no phrase reaches from one field into the next.
        "head": [*subject, "", *senders, "", *recipients, "", *attachments],
        "body": words(text.body),
    }
    document = Document(
        mail.queue_id, mail.received_at, state_of(mail.status), tuple(_names(mail, text))
    )
    return document, fields


def _names(mail: Mail, text: Text) -> Iterable[tuple[int, str]]:
    senders = dict.fromkeys((mail.sender.lower(), *text.from_addresses))
    recipients = dict.fromkeys((*(one.lower() for one in mail.recipients), *text.to_addresses))
    for kind, names in (
        (Kind.SENDER, senders),
        (Kind.RECIPIENT, recipients),
        (Kind.MESSAGE_ID, (text.message_id,)),
    ):
        for name in list(names)[:_MOST_NAMES]:
            if name:
                yield int(kind), name[:_LONGEST_NAME]
