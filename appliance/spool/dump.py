"""The canonical dump of a spool (see `replica.digest`)."""

from __future__ import annotations

from appliance.replica.digest import MessageDump, canonical
from appliance.spool.messages import queue_id_of
from appliance.spool.schema import rows
from appliance.spool.store import Store


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
