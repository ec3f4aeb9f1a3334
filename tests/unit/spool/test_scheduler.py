"""Which mail is due next: in whose lane, to which domain, and at what cost."""

from __future__ import annotations

from collections.abc import Collection

import apsw
import pytest

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

    def take(self, now: int, limit: int = 10, blocked: Collection[str] = ()) -> list[str]:
        """Lease what is due: the domains, in order."""
        chosen = list(self.scheduler.due(now, limit, self.lanes.__contains__, blocked))
        self._db.executemany("DELETE FROM schedule WHERE key=?", [(key,) for key, _ in chosen])
        return [domain for _, domain in chosen]


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
