"""The canonical dump of a spool (see `replica.digest`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from appliance.replica.digest import MessageDump, canonical, digest
from appliance.spool.messages import queue_id_of
from appliance.spool.schema import rows
from appliance.spool.store import Store

FORMAT = 1
"""Of `digest_of`: grows when the same spool comes to another digest."""
_PAGE = 256
_encode = msgspec.msgpack.Encoder().encode


def dump(store: Store) -> list[bytes]:
    """The canonical dump of everything `store` holds."""
    boxes: dict[str, list[str]] = {}
    for mailbox, key in rows(store.connection, "SELECT mailbox, key FROM mailbox"):
        boxes.setdefault(queue_id_of(key, store.journal), []).append(mailbox)
    return canonical(
        (
            MessageDump(
                entry.queue_id,
                entry.state,
                entry.envelope,
                entry.size,
                entry.digest,
                tuple(sorted(boxes.get(entry.queue_id, ()))),
            )
            for entry in store.messages.after(0, 1 << 40)
        ),
        store.ownership.claims,
        store.site.lineage,
        store.site.registers(),
        store.carried,
    )


def digest_of(store: Store) -> str:
    """A digest of the same, and of where the journal stands, in the order in which it lies there.

    So it takes no memory, however much there is; two nodes have different ones.
    """
    return digest(_lines(store))


def _lines(store: Store) -> Iterator[bytes]:
    after = 0
    while page := list(islice(store.messages.after(after, _PAGE), _PAGE)):
        for one in page:
            of_it = (one.queue_id, one.state, one.envelope, one.size, one.digest)
            yield _encode(MessageDump(*of_it, ()))
        after = page[-1].key
    for row in rows(
        store.connection, "SELECT mailbox, arrived, key FROM mailbox ORDER BY mailbox, arrived, key"
    ):
        yield _encode(row)
    yield _encode(store.connection.execute("SELECT count(*) FROM content").get)
    for known in store.journal.incarnations.values():
        yield _encode((known.id, known.node, known.tip, known.at, known.shared, known.pruned))
    site = (store.site.lineage, store.site.registers())
    yield from canonical((), store.ownership.claims, *site, store.carried)
