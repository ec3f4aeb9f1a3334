"""Checks of a spool that need no second node: its journal's chain, and its derived tables."""

from __future__ import annotations

from hashlib import sha256

from appliance.replica.record import Accepted, Result, decode, mark
from appliance.spool.bodies import Bodies
from appliance.spool.messages import Entry
from appliance.spool.schema import rows
from appliance.spool.store import Store


def check_spool(store: Store, bodies: Bodies) -> None:
    """Raises AssertionError."""
    check_journal(store)
    check_reload(store)
    entries = list(store.messages.after(0, 1 << 40))
    check_contents(store, bodies, entries)
    check_derived(store, entries)


def check_journal(store: Store) -> None:
    """Every incarnation's segments follow one another, by number and by hash, up to its tip."""
    last: dict[int, tuple[int, bytes]] = {}
    for inc, first, end, hash_, data in rows(
        store.connection, "SELECT inc, first, last, hash, segment FROM journal ORDER BY lsn"
    ):
        segment, incarnation = decode(data), store.journal.by_idx[inc]
        assert segment.incarnation == incarnation.id
        assert (segment.first, segment.last) == (first, end)
        assert mark(segment, data).hash == hash_, "a segment has another hash"
        if inc in last:
            assert (segment.first - 1, segment.previous) == last[inc], "a gap, or another hash"
        last[inc] = (end, hash_)
    for inc, tip in last.items():
        known = store.journal.by_idx[inc]
        assert tip == (known.tip.seq, known.tip.hash), "the journal does not end at its tip"


def check_reload(store: Store) -> None:
    """A start would find in the tables what is in memory."""
    again = Store(store.connection, store.node, store.incarnation, 0)
    ours, theirs = store.journal.incarnations, again.journal.incarnations
    assert ours == theirs, f"incarnations: {ours} is not {theirs}"
    assert lanes_of(again) == lanes_of(store), "lanes"
    assert again.ownership.nodes == store.ownership.nodes, "nodes of incarnations"
    assert again.ownership.claims == store.ownership.claims, "claims"
    assert again.clocks.offsets == store.clocks.offsets, "clocks"


def lanes_of(store: Store) -> list[tuple[int, int, int, int]]:
    return sorted((lane.inc, lane.low, lane.high, lane.id) for lane in store.lanes)


def check_contents(store: Store, bodies: Bodies, entries: list[Entry]) -> None:
    """Every message has the content that its record names."""
    for entry in entries:
        if entry.external:
            content = bodies.read(entry.queue_id, 0, 1 << 40)
        else:
            content = store.content(entry.queue_id) or b""
        assert len(content) == entry.size, f"{entry.queue_id}: {len(content)} of {entry.size} bytes"
        assert sha256(content).digest() == entry.digest, f"{entry.queue_id}: other content"


def check_derived(store: Store, entries: list[Entry]) -> None:
    """Schedule and open leases are what the messages say."""
    slots = {(*slot, entry.key) for entry in entries for slot in entry.slots}
    scheduled = set(rows(store.connection, "SELECT lane, domain, wake, key FROM schedule"))
    assert scheduled == slots, "the schedule is not what the messages say"
    by_inc = {known.id: known.idx for known in store.journal.incarnations.values()}
    open_attempts = {
        (by_inc[trial.attempt.incarnation], trial.attempt.seq, entry.key)
        for entry in entries
        for recipient in entry.state.recipients
        for trial in recipient.trials
        if trial.result is Result.OPEN
    }
    leases = set(rows(store.connection, "SELECT inc, seq, key FROM lease"))
    assert leases == open_attempts, "the table of leases is not what the messages say"
    for entry in entries:
        lane = store.lanes.of(entry.key >> 40, entry.state.seq).id
        assert all(slot[0] == lane for slot in entry.slots), "a message is in another's lane"


def accepted_ids(store: Store) -> list[str]:
    """The queue ids that the journal's records accept, in order."""
    return [
        record.queue_id
        for (data,) in rows(store.connection, "SELECT segment FROM journal ORDER BY lsn")
        for record in decode(data).records
        if isinstance(record, Accepted)
    ]
