"""What goes and what stays: by age, by size, and for mail when the disk is short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.monitor.events import Event
from appliance.monitor.log import retention
from appliance.monitor.log.retention import Bounds
from tests.unit.monitor.log.rig import START, Node, Process, queue_id

DAY = 86_400_000
KINDS = (Event.SMTP_CONNECTED, Event.SENT, Event.TRANSITION)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path, bounds=Bounds(1 << 20, 30 * DAY))
    yield one
    one.close()


@pytest.fixture
def mail(node: Node) -> Iterator[Process]:
    process = Process(node.log, "mail", node.clock, limit=100 << 20)
    yield process
    process.close()


def pass_(node: Node, milliseconds: int, *, wall: int | None = None) -> None:
    """Let time pass, and the sweeps that come with it."""
    node.running.now += milliseconds
    node.clock.now += milliseconds if wall is None else wall
    node.collect()


def kinds(node: Node) -> Counter[str]:
    return Counter(one.event for one in node.events())


def test_chatter_goes_first_and_what_should_last_stays_longest(node: Node, mail: Process) -> None:
    for event in KINDS:
        mail.emit(event)
    node.collect()
    pass_(node, 4 * DAY)
    assert set(kinds(node)) == {"sent", "transition"}
    pass_(node, 30 * DAY)
    assert set(kinds(node)) == {"transition"}
    pass_(node, 330 * DAY)
    assert set(kinds(node)) == set()


def test_a_clock_that_is_set_to_a_wrong_year_costs_nothing(node: Node, mail: Process) -> None:
    for event in KINDS:
        mail.emit(event)
    node.collect()
    pass_(node, 60_000, wall=70 * 365 * DAY)
    assert set(kinds(node)) == set(KINDS)
    pass_(node, 60_000, wall=-140 * 365 * DAY)
    assert set(kinds(node)) == set(KINDS)


@pytest.mark.parametrize("chatty", [True, False])
def test_the_size_is_held_and_the_oldest_go(node: Node, mail: Process, chatty: bool) -> None:
    mail.emit(Event.TRANSITION)
    for number in range(12_000):
        event = Event.SMTP_CONNECTED if chatty and number % 2 else Event.SENT
        mail.emit(event, queue_id(number % 10_000), reply="x" * 100)
        node.clock.now += 1000
        if number % 500 == 0:
            pass_(node, 20_000, wall=0)
    pass_(node, 20_000)
    assert retention.used(node.store.db) <= 1 << 20
    left = node.events()
    assert left[0].event == "transition"
    assert left[-1].queue_id == queue_id(1_999)
    if chatty:
        first = {
            str(event): next(n for n, one in enumerate(left) if one.event == event)
            for event in KINDS
        }
        assert first["smtp_connected"] > first["sent"]


def test_a_smaller_size_makes_the_file_smaller(tmp_path: Path) -> None:
    node = Node(tmp_path)
    mail = Process(node.log, "mail", node.clock, limit=100 << 20)
    for number in range(9_000):
        mail.emit(Event.SENT, queue_id(number), reply="x" * 100)
    node.collect()
    node.restart()
    node._bounds = Bounds(1 << 20, 30 * DAY)
    node.restart()
    node.collect()
    for _ in range(4):  # some at a time
        pass_(node, 60_000)
    node.close()
    mail.close()
    assert node.path.stat().st_size <= 1 << 20


def test_logs_go_before_mail_when_the_disk_is_short(tmp_path: Path) -> None:
    node = Node(tmp_path)
    mail = Process(node.log, "mail", node.clock, limit=1 << 20)
    for number in range(9_000):
        mail.emit(Event.SENT, queue_id(number), reply="x" * 200)
        node.clock.now += 1
    node.collect()
    before = node.path.stat().st_size
    assert (node.log / "mail.log.1").exists()
    node.short = True
    node.collect()
    assert node.path.stat().st_size < 0.6 * before
    assert sorted(path.name for path in node.log.iterdir()) == ["mail.log"]
    assert [name for name, _ in node.emitted] == ["events_shed"]
    pass_(node, 5_000)  # not at every look
    size = node.path.stat().st_size
    pass_(node, 60_000)
    assert node.path.stat().st_size < size
    assert [name for name, _ in node.emitted] == ["events_shed"]
    mail.emit(Event.SENT, queue_id(9_999))
    node.collect()
    assert node.ids()[-1] == queue_id(9_999)
    node.close()
    mail.close()


def test_the_clock_of_ages_starts_with_the_wall_clock(node: Node) -> None:
    node.collect()
    assert retention.pace(node.store.db, START, 0) == START


def test_a_clock_that_was_set_back_for_a_while_does_not_stop_ages(node: Node) -> None:
    node.collect()
    db = node.store.db
    assert retention.pace(db, START, 0) == START
    assert retention.pace(db, 0, 60_000) == START
    assert retention.pace(db, START + 120_000, 60_000) == START + 120_000
