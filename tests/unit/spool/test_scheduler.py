"""Which mail is due next: in whose lane, to which domain, and at what cost."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.spool.messages import BULK
from appliance.spool.operations import Rooms
from appliance.spool.scheduler import _SHARE, Scheduler
from appliance.spool.schema import HELD
from tests.unit.spool.effort import effort


class Queue:
    """A schedule with rows of a test's own."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._keys = 0
        self.scheduler = Scheduler(db)
        self.lanes = {1}

    def put(self, domain: str, wake: int, count: int = 1, lane: int = 1) -> None:
        """`count` messages; the scheduler hears of them as from a turn."""
        self._db.execute(
            "WITH RECURSIVE n(key) AS (SELECT ? UNION ALL SELECT key + 1 FROM n LIMIT ?)"
            " INSERT INTO schedule SELECT ?, ?, ?, key FROM n",
            (self._keys + 1, count, lane, domain, wake),
        )
        self._keys += count
        self.scheduler.woken((lane, domain, wake))

    def take(
        self, now: int, limit: int = 10, blocked: Collection[str] = (), rooms: Rooms = ()
    ) -> list[str]:
        """Lease what is due: the domains, in order."""
        chosen = list(self.scheduler.due(now, limit, self.lanes.__contains__, blocked, rooms))
        self._db.executemany("DELETE FROM schedule WHERE key=?", [(key,) for key, _ in chosen])
        return [domain for _, domain in chosen]

    def keys(self, now: int, limit: int) -> list[int]:
        """Lease what is due: which messages, in the order in which they were put."""
        chosen = list(self.scheduler.due(now, limit, self.lanes.__contains__, ()))
        self._db.executemany("DELETE FROM schedule WHERE key=?", [(key,) for key, _ in chosen])
        return [key for key, _ in chosen]


@pytest.fixture
def queue(db: apsw.Connection) -> Queue:
    return Queue(db)


def test_nothing_before_its_time_and_the_oldest_first(queue: Queue) -> None:
    queue.put("late.test", 30)
    queue.put("soon.test", 10)
    queue.put("soon.test", 20)
    assert queue.scheduler.next_wake() == 10
    assert queue.take(9) == []
    assert queue.take(15) == ["soon.test"]
    assert queue.scheduler.next_wake() == 20
    assert queue.take(30) == ["soon.test", "late.test"]
    assert queue.take(99) == []
    assert queue.scheduler.next_wake() is None


def test_a_limit_leaves_the_rest_for_the_next_call(queue: Queue) -> None:
    queue.put("a.test", 1, 3)
    queue.put("b.test", 2, 2)
    assert queue.take(5, 2) == ["a.test"] * 2
    assert queue.take(5, 2) == ["a.test", "b.test"]
    assert queue.take(5, 2) == ["b.test"]


def test_a_long_queue_leaves_room_for_other_domains(queue: Queue) -> None:
    queue.put("long.test", 1, 1000)
    queue.put("short.test", 2)
    taken = queue.take(5, 1000)
    assert taken.count("long.test") == _SHARE
    assert taken.count("short.test") == 1
    assert queue.take(5, 1000).count("long.test") == _SHARE


def test_a_domain_whose_head_is_due_later_comes_later(queue: Queue) -> None:
    queue.put("a.test", 1, 2)
    queue.put("a.test", 50)
    queue.put("b.test", 10)
    assert queue.take(10) == ["a.test", "a.test", "b.test"]
    assert queue.scheduler.next_wake() == 50


def test_blocked_domains_wait_until_they_are_not(queue: Queue) -> None:
    queue.put("blocked.test", 1)
    queue.put("free.test", 2)
    assert queue.take(5, blocked=["blocked.test"]) == ["free.test"]
    assert queue.scheduler.parked
    assert queue.scheduler.next_wake() is None, "a turn for what is blocked finds nothing"
    queue.put("blocked.test", 0)
    assert queue.scheduler.next_wake() is None
    assert queue.take(5, blocked=["blocked.test"]) == []
    assert queue.take(5) == ["blocked.test"] * 2
    assert not queue.scheduler.parked


def test_lanes_of_others_wait_until_they_are_own(queue: Queue) -> None:
    queue.put("a.test", 1, lane=2)
    assert queue.take(5) == []
    assert queue.scheduler.next_wake() is None
    queue.lanes.add(2)
    assert queue.take(5) == ["a.test"]


def test_one_domain_in_two_lanes(queue: Queue) -> None:
    queue.put("a.test", 1, lane=2)
    queue.put("a.test", 2, lane=1)
    assert queue.take(5) == ["a.test"]
    queue.lanes = {2}
    assert queue.take(5) == ["a.test"]


def test_held_mail_is_never_due(queue: Queue) -> None:
    queue.put("a.test", HELD)
    assert queue.scheduler.next_wake() is None
    assert queue.take(HELD + 1) == []
    queue.put("a.test", 7)
    assert queue.take(HELD - 1) == ["a.test"]
    assert queue.take(HELD + 1) == []


def test_a_row_that_went_meanwhile_costs_a_look_only(db: apsw.Connection, queue: Queue) -> None:
    queue.put("a.test", 1)
    db.execute("DELETE FROM schedule")
    queue.put("a.test", 9)
    assert queue.take(5) == []
    assert queue.scheduler.next_wake() == 9


def test_a_start_finds_what_the_table_has(db: apsw.Connection, queue: Queue) -> None:
    queue.put("a.test", 4)
    queue.put("b.test", 3)
    queue.put("c.test", HELD)
    queue.scheduler = Scheduler(db)
    assert queue.scheduler.next_wake() == 3
    assert queue.take(5) == ["b.test", "a.test"]


@pytest.mark.parametrize("domains", [1, 100])
def test_the_cost_does_not_grow_with_the_queue(db: apsw.Connection, domains: int) -> None:
    def cost(length: int) -> int:
        db.execute("DELETE FROM schedule")
        queue = Queue(db)
        for n in range(domains):
            queue.put(f"d{n}.test", 1000 + n, length // domains)
        queue.put("d0.test", 1, 3)
        found = list[object]()
        steps = effort(db, lambda: found.extend(queue.scheduler.due(5, 10, {1}.__contains__, ())))
        assert len(found) == 3
        return steps

    short, long = cost(100 * domains), cost(100_000)
    assert 0 < long <= short * 1.1


def test_bulk_waits_for_interactive_mail_but_gets_its_part(queue: Queue) -> None:
    queue.put(BULK + "to.test", 1, 1000)
    queue.put("to.test", 5, 1000)
    got = [queue.keys(9, 20) for _ in range(10)]
    bulk = [sum(key <= 1000 for key in keys) for keys in got]
    assert [len(keys) for keys in got] == [20] * 10
    assert bulk == [5] * 10


@given(st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_neither_kind_starves(limits: list[int]) -> None:
    with closing(apsw.Connection(":memory:")) as db:
        db.execute(
            "CREATE TABLE schedule(lane INTEGER, domain TEXT, wake INTEGER, key INTEGER,"
            " PRIMARY KEY(lane, domain, wake, key)) WITHOUT ROWID"
        )
        queue = Queue(db)
        queue.put(BULK + "to.test", 1, 400)
        queue.put("to.test", 1, 400)
        leased = bulk = 0
        for limit in limits:
            keys = queue.keys(9, limit)
            leased += len(keys)
            bulk += sum(key <= 400 for key in keys)
            assert len(keys) == limit
            assert leased // 4 - 1 <= bulk <= leased // 4


def test_each_kind_gets_all_if_the_other_wants_nothing(queue: Queue) -> None:
    queue.put(BULK + "to.test", 1, 50)
    assert len(queue.keys(9, 20)) == 20
    queue.put("other.test", 1, 30)
    assert len(queue.keys(9, 100)) == 60


def test_domains_share_the_room_that_a_limit_leaves(queue: Queue) -> None:
    for domain in ("a.test", "b.test", "c.test"):
        queue.put(domain, 1, 10)
    rooms = [(7, ["a.test", "b.test"])]
    got = queue.take(9, 100, rooms=rooms)
    assert got.count("a.test") + got.count("b.test") == 7
    assert got.count("c.test") == 10
    assert queue.scheduler.next_wake() is not None or queue.scheduler.parked
    assert queue.take(9, 100, rooms=[(0, ["a.test", "b.test"])]) == []
    assert len(queue.take(9, 100)) == 13


def test_bulk_to_a_blocked_domain_is_parked_too(queue: Queue) -> None:
    queue.put(BULK + "a.test", 1, 3)
    assert queue.take(9, blocked={"a.test"}) == []
    assert queue.scheduler.next_wake() is None
    assert queue.take(9) == ["a.test"] * 3
