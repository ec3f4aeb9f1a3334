"""What waits goes in order; a mark counts once everything before it was taken."""

from __future__ import annotations

from appliance.search.backlog import Backlog
from appliance.search.catalogue import Mark
from appliance.search.census import Missing


def test_a_mark_is_reached_with_the_last_message_before_it() -> None:
    backlog = Backlog()
    backlog.expect("ab")
    backlog.mark(Mark("s", 1), 10)
    backlog.expect("cd")
    backlog.mark(Mark("s", 2), None)
    assert backlog.take(1) == ["a"]
    assert backlog.reached() is None
    assert backlog.take(2) == ["b", "c"]
    assert backlog.reached() == (Mark("s", 1), 10)
    assert backlog.reached() is None
    assert backlog.take(9) == ["d"]
    assert backlog.reached() == (Mark("s", 2), None)


def test_a_mark_behind_nothing_replaces_the_one_before() -> None:
    backlog = Backlog()
    for lsn in range(1000):
        backlog.mark(Mark("s", lsn), lsn)
    assert len(backlog._marks) == 1
    assert backlog.reached() == (Mark("s", 999), 999)


def test_what_is_cleared_leads_nowhere() -> None:
    backlog = Backlog()
    backlog.expect("ab")
    backlog.mark(Mark("s", 1), 1)
    backlog.clear()
    assert (len(backlog), backlog.take(5), backlog.reached()) == (0, [], None)
    backlog.expect("c")
    backlog.mark(Mark("s", 2), 2)
    assert backlog.take(1) == ["c"]
    assert backlog.reached() == (Mark("s", 2), 2)


def test_the_missing_come_in_order_of_arrival() -> None:
    missing = Missing()
    missing.add({"C": 3, "LONGER": 1})
    missing.add({})
    missing.add({"B": 2, "A": 3})
    assert list(missing.portions(3)) == [["LONGER", "B", "A"], ["C"]]
    assert list(missing.portions(3)) == []
