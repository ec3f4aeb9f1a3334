"""A queue of any length: written by the spool's own code into a node's data directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from appliance.config import Layout
from appliance.link.identity import KeyStore
from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import QueueId, queue_id, tag
from appliance.replica.record import Accepted, Log, Logged, Note
from appliance.spool.schema import open_writer
from appliance.spool.store import Store

_TURN = 500
_SECOND = 1000
_LATER = Note(450, "4.2.0", "mailbox busy, come again", "192.0.2.9:25")
_NEVER_HERE = 400 * 86_400 * _SECOND
_WORDS = [
    f"{one}{two}"
    for one in ("am", "bir", "ced", "del", "em", "fjo", "gro")
    for two in ("ber", "ch")
]
RARE = "osprey.nest@lighthouse.test"


@dataclass(frozen=True)
class Rare:
    """The queue ids of what stands once in the queue."""

    message: QueueId
    held: QueueId


def fill(layout: Layout, messages: int, told: Callable[[int], None]) -> Rare:
    """Write so many deferred messages, one of them from RARE and one held, both old."""
    content = b"Subject: stores\r\n\r\n" + b"Flour, oil, rope and two lamps.\r\n" * 8
    digest = sha256(content).digest()
    rare = messages // 10
    incarnation = os.urandom(16)
    with closing(open_writer(str(layout.spool / "spool.db"))) as db:
        db.pragma("synchronous", "OFF")
        store = Store(db, KeyStore(layout.keys).identity().node_id, incarnation, 0)
        store.begin()
        store.start(0)
        store.flush(0)
        store.commit()
        for first in range(0, messages, _TURN):
            store.begin()
            records: list[Accepted | Logged] = []
            contents = dict[str, bytes]()
            for number in range(first + 1, min(first + _TURN, messages) + 1):
                name = queue_id(tag(incarnation), number)
                sender, recipient = addresses_of(number)
                envelope = Envelope(
                    RARE if number == rare else sender,
                    (Recipient(recipient),),
                    client="192.0.2.1",
                    helo="mail.ship.test",
                    received_at=1_700_000_000_000 + number,
                )
                domain = domain_key(recipient)
                packed = msgspec.msgpack.encode(envelope)
                records.append(Accepted(name, packed, (domain,), len(content), digest, False))
                log = Log(_NEVER_HERE, domain, held=number == rare + 1, tries=3, note=_LATER)
                records.append(Logged(name, "retry", ((0, log),)))
                contents[name] = content
            store.write(records, contents, first)
            store.flush(first)
            store.commit()
            told(first)
        db.wal_checkpoint()
    names = [queue_id(tag(incarnation), number) for number in (rare, rare + 1)]
    return Rare(*names)


def addresses_of(number: int) -> tuple[str, str]:
    """Sender and recipient of message `number`."""
    word = _WORDS[number % 14]
    sender = f"{word}.{number % 9973}@{_WORDS[number // 14 % 14]}{number % 31}.ship.test"
    return sender, f"{_WORDS[number // 7 % 14]}.{number % 99_991}@{word}{number % 997}.port.test"
