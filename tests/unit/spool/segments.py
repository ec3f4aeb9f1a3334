"""Segments of two nodes, for tests of the journal and what lies on it."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import queue_id, tag
from appliance.replica.record import Accepted, Record, Started
from appliance.spool.journal import Journal

MINE, THEIRS = b"mine----", b"theirs--"
OWN, FOREIGN = b"o" * 16, b"f" * 16
NODES = {OWN: MINE, FOREIGN: THEIRS}
CONTENT = b"content"


def accepted(incarnation: bytes, number: int, domain: str = "a.test") -> Accepted:
    """A message to one recipient."""
    envelope = Envelope("s@site.test", (Recipient(f"r@{domain}"),))
    return Accepted(
        queue_id(tag(incarnation), number),
        msgspec.msgpack.encode(envelope),
        (domain,),
        len(CONTENT),
        sha256(CONTENT).digest(),
    )


def write(journal: Journal, incarnation: bytes, *records: Record) -> bytes:
    """Append a segment; the first of an incarnation begins with Started by itself."""
    begun = journal.tip(incarnation) is not None
    start = () if begun else (Started(NODES[incarnation]),)
    return journal.write(incarnation, 0, 0, [*start, *records])[1]
