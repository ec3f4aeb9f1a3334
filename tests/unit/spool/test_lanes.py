"""Lanes: whole runs of messages change their owner; what waits moves with them."""

from __future__ import annotations

import apsw
import pytest

from appliance.replica.ownership import Claim
from appliance.replica.record import Attempt, Leased
from appliance.spool.lanes import Lanes
from appliance.spool.schema import rows
from appliance.spool.store import Store
from tests.unit.spool.segments import CONTENT, FOREIGN, MINE, OWN, THEIRS, accepted


@pytest.fixture
def store(db: apsw.Connection) -> Store:
    """Messages accepted as records 2 to 6 of this incarnation, 2 and 3 of them to two domains."""
    store = Store(db, MINE, OWN, 0)
    store.begin()
    store.start(0)
    for number in range(1, 6):
        record = accepted(OWN, number, "even.test" if number % 2 else "odd.test")
        store.write([record], {record.queue_id: CONTENT}, 0)
    store.flush(0)
    store.commit()
    return store


def lanes(store: Store) -> list[tuple[int, int]]:
    """(low, high) of this incarnation's lanes; the last has no end."""
    return sorted((lane.low, min(lane.high, 99)) for lane in store.lanes)


def scheduled(store: Store) -> dict[int, set[int]]:
    """The messages' record numbers, by the high end of the lane they are scheduled in."""
    found: dict[int, set[int]] = {}
    for lane, key in rows(store.connection, "SELECT lane, key FROM schedule"):
        entry = store.messages.by_key(key)
        assert all(slot[0] == lane for slot in entry.slots)
        found.setdefault(min(store.lanes.get(lane).high, 99), set()).add(entry.state.seq)
    return found


def tally(store: Store) -> dict[int, int]:
    """Recipients in the queue, by the high end of their lane."""
    return {
        min(store.lanes.get(lane).high, 99): total
        for lane, total in rows(
            store.connection, "SELECT lane, sum(recipients) FROM tally GROUP BY lane"
        )
        if total
    }


def claim(store: Store, epoch: int, owner: bytes, upto: int, doubt: bool = False) -> None:
    store.begin()
    store.claim(Claim(epoch, owner, {OWN: upto}, doubt))
    store.flush(0)
    store.commit()


def owners(store: Store) -> list[bytes]:
    return [store.lanes.owner(store.lanes.of(1, seq), store.ownership) for seq in range(2, 7)]


def test_an_incarnation_begins_as_one_lane(store: Store) -> None:
    assert lanes(store) == [(0, 99)]
    assert scheduled(store) == {99: {2, 3, 4, 5, 6}}
    assert owners(store) == [MINE] * 5


def test_a_claim_cuts_and_moves_what_is_beyond_it(store: Store) -> None:
    claim(store, 1, THEIRS, 4)
    assert lanes(store) == [(0, 4), (4, 99)]
    assert scheduled(store) == {4: {2, 3, 4}, 99: {5, 6}}
    assert tally(store) == {4: 3, 99: 2}
    assert owners(store) == [THEIRS] * 3 + [MINE] * 2


def test_later_claims_cut_again_or_fall_on_a_cut(store: Store) -> None:
    claim(store, 1, THEIRS, 4)
    claim(store, 2, MINE, 3)
    assert lanes(store) == [(0, 3), (3, 4), (4, 99)]
    assert scheduled(store) == {3: {2, 3}, 4: {4}, 99: {5, 6}}
    assert owners(store) == [MINE, MINE, THEIRS, MINE, MINE]
    claim(store, 3, THEIRS, 4)
    assert lanes(store) == [(0, 3), (3, 4), (4, 99)]
    assert tally(store) == {3: 2, 4: 1, 99: 2}
    assert owners(store) == [THEIRS] * 3 + [MINE] * 2


def test_a_claim_of_everything_moves_no_row(store: Store) -> None:
    before = scheduled(store)
    claim(store, 1, THEIRS, 6)
    assert lanes(store) == [(0, 6), (6, 99)]
    assert scheduled(store) == {6: before[99]}


def test_a_claim_of_what_is_not_known_is_remembered_only(store: Store) -> None:
    store.begin()
    store.claim(Claim(1, THEIRS, {FOREIGN: 9}))
    store.commit()
    assert lanes(store) == [(0, 99)]


def test_doubt_goes_with_the_claim_that_decides(store: Store) -> None:
    claim(store, 1, THEIRS, 4, doubt=True)
    doubtful = [store.lanes.doubtful(store.lanes.of(1, s), store.ownership) for s in (2, 4, 5)]
    assert doubtful == [True, True, False]
    claim(store, 2, MINE, 4)
    assert not store.lanes.doubtful(store.lanes.of(1, 2), store.ownership)


def test_what_is_leased_or_has_ended_moves_without_a_slot(store: Store) -> None:
    store.begin()
    entry = next(e for e in store.messages.after(0, 99) if e.state.seq == 6)
    store.write([Leased(entry.queue_id, (0,))], {}, 0)
    store.flush(0)
    store.commit()
    claim(store, 1, THEIRS, 4)
    assert scheduled(store) == {4: {2, 3, 4}, 99: {5}}
    assert tally(store) == {4: 3, 99: 2}, "an open lease is in the queue, too"
    assert [attempt for attempt, _ in store.open_leases()] == [Attempt(OWN, 7)]


def test_a_start_finds_the_same_lanes(store: Store) -> None:
    claim(store, 1, THEIRS, 4)
    claim(store, 2, MINE, 2)
    again = Lanes(store.connection, store.journal)
    assert sorted((x.id, x.inc, x.low, x.high) for x in again) == sorted(
        (x.id, x.inc, x.low, x.high) for x in store.lanes
    )
    assert again.of(1, 3).high == 4


def test_lanes_are_as_many_as_the_owners_of_what_waits(store: Store) -> None:
    for epoch in range(1, 30):
        claim(store, epoch, THEIRS, 2)
        claim(store, 100 + epoch, THEIRS, 6 + epoch)
    assert lanes(store) == [(0, 2), (2, 35), (35, 99)], "each claim leaves a lane behind"
    assert scheduled(store) == {2: {2}, 35: {3, 4, 5, 6}}
    assert sum(tally(store).values()) == 5
    again = Lanes(store.connection, store.journal)
    assert sorted((one.id, one.low, one.high) for one in again) == sorted(
        (one.id, one.low, one.high) for one in store.lanes
    )


def test_a_lane_of_another_owner_is_not_joined(store: Store) -> None:
    claim(store, 1, THEIRS, 3)
    claim(store, 2, MINE, 2)
    assert lanes(store) == [(0, 2), (2, 3), (3, 99)]
    owners = [store.lanes.owner(lane, store.ownership) for lane in store.lanes]
    assert sorted(owners) == sorted([MINE, THEIRS, MINE])
