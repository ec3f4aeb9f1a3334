"""Whole messages for a peer that the journal no longer reaches: merged there, never overwriting."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256

import msgspec

from appliance.replica.frames import (
    Carried,
    Copy,
    Frame,
    Introduced,
    SnapshotBegin,
    SnapshotEnd,
    SnapshotPart,
)
from appliance.replica.message import MessageState, merged
from appliance.replica.position import Positions
from appliance.replica.site_versions import Header
from appliance.spool.bodies import Bodies
from appliance.spool.messages import Entry, key_of
from appliance.spool.outgoing import body_frames
from appliance.spool.site import SiteTables
from appliance.spool.sizes import Sizes
from appliance.spool.store import DAMAGED_THERE, Damaged, Store

_REGISTERS = 16
_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(MessageState).decode


class SnapshotReader:
    """Reads this node's messages in key order, a part at a time, while it goes on working."""

    def __init__(self, store: Store, bodies: Bodies, sizes: Sizes) -> None:
        self._store = store
        self._bodies = bodies
        self._sizes = sizes
        journal = store.journal
        self.tips = journal.positions()
        self._begin = SnapshotBegin(
            tuple(
                [
                    Introduced(i.id, i.node, i.tip, i.at, i.pruned)
                    for i in journal.incarnations.values()
                ]
            ),
            store.ownership.claims,
            store.damaged(),
        )

    def frames(self, running: int) -> Iterator[Frame]:
        """The whole snapshot; each `next` reads one part, outside a transaction."""
        yield self._begin
        after = 0
        while True:
            entries = list(self._store.messages.after(after, 64))
            if not entries:
                break
            known = self._store.journal.positions()
            copies, size = list[Copy](), 0
            for entry in entries:
                content, sound = yield from self._content(entry)
                copies.append(self._copy(entry, running, content, not sound))
                after = entry.key
                size += entry.size
                if size >= self._sizes.part:
                    break
            yield SnapshotPart(known, tuple(copies))
        site = self._store.site
        yield from site_parts(site, list(site.lineage), self._store.journal.positions())
        yield from carried_parts(self._store.carried)
        yield SnapshotEnd()

    def _content(self, entry: Entry) -> Generator[Frame, None, tuple[bytes | None, bool]]:
        """Inline content, or chunks sent ahead; and whether it is what was accepted."""
        if entry.external:
            chunk = self._sizes.chunk
            sound = yield from body_frames(self._bodies, entry.queue_id, entry.digest, chunk)
            return None, sound
        content = self._store.content(entry.queue_id)
        sound = content is not None and sha256(content).digest() == entry.digest
        return (content if sound else None), sound

    def _copy(self, entry: Entry, running: int, content: bytes | None, damaged: bool) -> Copy:
        return Copy(
            entry.queue_id,
            entry.size,
            entry.digest,
            entry.external,
            running - entry.arrived,
            _encode_state(entry.state),
            entry.envelope,
            content,
            damaged,
        )


def site_parts(
    site: SiteTables, versions: Iterable[Header], known: Positions
) -> Iterator[SnapshotPart]:
    """The site's versions and registers. What changes meanwhile is in the journal."""
    for header in versions:
        with suppress(KeyError):  # forgotten meanwhile
            yield SnapshotPart(dict(known), (), (site.version(header.id),))
    after = ("", "")
    while some := tuple(site.registers(after, _REGISTERS)):
        yield SnapshotPart(dict(known), (), (), some)
        after = some[-1].table, some[-1].key


def carried_parts(carried: Iterable[Carried]) -> Iterator[SnapshotPart]:
    """Records that this node could only carry."""
    for one in list(carried):
        yield SnapshotPart({}, (), carried=(one,))


def merge_part(store: Store, part: SnapshotPart, running: int) -> None:
    """Merge copies into what this node has, inside a transaction; raises Damaged, ValueError."""
    for version in part.versions:
        store.site.merge(version)
    for register in part.registers:
        store.site.merge(register)
    for one in part.carried:
        store.carry(one)
    mine = store.journal.positions()
    for copy in part.copies:
        state = _decode_state(copy.state)
        key = key_of(copy.queue_id, store.journal)
        if key in store.messages:
            entry = store.messages.by_key(key)
            store.messages.put(entry, merged(entry.state, mine, state, part.known))
            continue
        if state.seq <= store.journal.incarnations[state.incarnation].pruned:
            continue  # it was here, and was pruned since
        add_copy(store, copy, running)


def add_copy(store: Store, copy: Copy, running: int) -> None:
    """A message that is not here, inside a transaction; raises Damaged, ValueError."""
    state, key = _decode_state(copy.state), key_of(copy.queue_id, store.journal)
    if copy.damaged:
        store.lose(copy.queue_id, state.incarnation, state.seq, DAMAGED_THERE)
        return
    if copy.content is None and not copy.external:
        raise Damaged(f"{copy.queue_id} came without content")
    if copy.content is not None and sha256(copy.content).digest() != copy.digest:
        raise Damaged(f"content of {copy.queue_id} does not match its digest")
    entry = Entry(
        key,
        copy.queue_id,
        copy.size,
        copy.digest,
        copy.external,
        running - copy.age,
        copy.envelope,
        state,
        None,
    )
    store.messages.add(entry, copy.content)
    store.found(key)
