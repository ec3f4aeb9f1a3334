"""A filter in a long queue: what is found at once is what a look at every message finds."""

from __future__ import annotations

import random
import threading

import pytest

from appliance.mail.views import QueueFilter, RecipientStatus
from appliance.replica.record import Log
from appliance.spool import finder, haystack, reader
from tests.unit.spool_reader.desk import Desk
from tests.unit.spool_reader.writer import Writer

SENDERS = (
    "",
    "anna@ship.test",
    "Bo.Lee@Ship.test",
    "ünal@müller.test",
    '"a b"@one.test',
    "ß@x.test",
)
RECIPIENTS = (
    "al@one.test",
    "AL@ONE.test",
    "zoë@two.test",
    "carl@deep.sub.one.test",
    "dan@[127.0.0.1]",
)
FILTERS = [
    QueueFilter(text="needle"),
    QueueFilter(text="NEEDLE"),
    QueueFilter(text="ss"),
    QueueFilter(text="Müller"),
    QueueFilter(text="\n"),
    QueueFilter(sender="anna@SHIP.test"),
    QueueFilter(sender="ana@ship.test"),
    QueueFilter(sender="@müller.test"),
    QueueFilter(sender="@xn--mller-kva.test"),
    QueueFilter(recipient="al@one.test"),
    QueueFilter(recipient="@one.test"),
    QueueFilter(recipient="@.one.test"),
    QueueFilter(recipient="@[127.0.0.1]"),
    QueueFilter(sender='"a b"@one.test'),
    QueueFilter(sender="anna@ship.test", recipient="al@one.test", text="one"),
    QueueFilter(status=(RecipientStatus.HELD,)),
    QueueFilter(status=(RecipientStatus.HELD,), text="ship"),
    QueueFilter(status=(RecipientStatus.DEFERRED,), recipient="@two.test"),
]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue is long, and a look at each message costs a call of its own."""
    monkeypatch.setattr(reader, "MANY", 1)
    monkeypatch.setattr(reader, "_BUDGET", 1)


def ready(desk: Desk) -> None:
    """Somebody has opened the queue, and it has been read."""
    desk.reader.queue(QueueFilter(), 1, "")
    for thread in threading.enumerate():
        if thread.name == "queue-finder":
            thread.join()


def looked(desk: Desk, wanted: QueueFilter) -> int:
    """Calls until all that is meant was told, each of which looks at one message."""
    calls, after = 0, ""
    while True:
        calls += 1
        after = desk.reader.queue(wanted, 100, after).after
        if not after:
            return calls


def fill(writer: Writer, many: int = 60) -> list[str]:
    chance = random.Random(1)
    names = []
    for number in range(many):
        writer.now += chance.choice((0, 10))
        recipients = chance.sample(RECIPIENTS, chance.choice((1, 2)))
        names.append(
            writer.accept(*recipients, sender=chance.choice(SENDERS), held=chance.random() < 0.1)
        )
        if number % 5 == 0:
            writer.defer(names[-1])
        if number % 7 == 0:
            writer.deliver(chance.choice(names))
    return names


def all_by_looking(writer: Writer, wanted: QueueFilter) -> list[str]:
    """What a reader finds that has no finder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "MANY", 1 << 60)
        other = Desk(writer)
        try:
            other.say()
            return other.ids(wanted)
        finally:
            other.reader.close()


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("wanted", FILTERS)
def test_it_finds_what_looking_at_every_message_finds(
    writer: Writer, desk: Desk, wanted: QueueFilter
) -> None:
    fill(writer)
    writer.accept("al@one.test", sender="a.needle.b@ship.test")
    desk.say()
    ready(desk)
    assert desk.ids(wanted, 3) == all_by_looking(writer, wanted)


@pytest.mark.usefixtures("long")
def test_it_does_not_look_at_the_rest(writer: Writer, desk: Desk) -> None:
    name = writer.accept(sender="needle@ship.test")
    fill(writer)
    wanted = QueueFilter(text="needle")
    ready(desk)
    assert looked(desk, wanted) <= 2
    assert desk.ids(wanted) == [name]
    assert looked(desk, QueueFilter(text="nobody")) == 1


@pytest.mark.usefixtures("long")
def test_what_happens_later_is_found_too(writer: Writer, desk: Desk) -> None:
    names = fill(writer)
    ready(desk)
    later = writer.accept(sender="needle@ship.test")
    moved = writer.accept("zoë@two.test")
    held = writer.accept("zoë@two.test")
    writer.log(moved, "redirect", Log(writer.now, "far.test", address="needle@far.test"))
    writer.log(held, "hold", Log(writer.now, "two.test", held=True))
    assert desk.ids(QueueFilter(text="needle")) == [moved, later]
    assert desk.ids(QueueFilter(recipient="@far.test")) == [moved]
    assert held in desk.ids(QueueFilter(status=(RecipientStatus.HELD,)))
    writer.deliver(later)
    assert desk.ids(QueueFilter(text="needle")) == [moved]
    assert names


@pytest.mark.usefixtures("long")
def test_queue_ids_are_found_by_their_beginning(writer: Writer, desk: Desk) -> None:
    names = fill(writer)
    ready(desk)
    whole = desk.ids()[3]
    assert whole in names
    for text in (whole, whole.lower(), whole[:13]):
        assert whole in desk.ids(QueueFilter(text=text))
        assert desk.ids(QueueFilter(text=text)) == all_by_looking(writer, QueueFilter(text=text))
    assert looked(desk, QueueFilter(text=whole)) <= 2
    assert desk.ids(QueueFilter(text=whole[:10])) == desk.ids()


@pytest.mark.usefixtures("long")
def test_too_much_that_came_since_is_read_anew(
    writer: Writer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer)
    ready(desk)
    monkeypatch.setattr(finder, "_SEGMENTS", 2)
    monkeypatch.setattr(finder, "_BEHIND", 2)
    later = [writer.accept(sender=f"needle{number}@ship.test") for number in range(20)]
    assert desk.ids(QueueFilter(text="needle")) == later[::-1]
    ready(desk)
    assert desk.ids(QueueFilter(text="needle")) == later[::-1]
    assert looked(desk, QueueFilter(text="needle19")) <= 2


@pytest.mark.usefixtures("long")
def test_it_is_forgotten_when_nobody_asks(writer: Writer, desk: Desk) -> None:
    fill(writer)
    wanted = QueueFilter(text="nobody")
    ready(desk)
    assert looked(desk, wanted) == 1
    desk.clock += finder._FORGET_AFTER + 1
    desk.reader.counts()
    assert looked(desk, wanted) > 1


@pytest.mark.usefixtures("long")
def test_a_status_that_nobody_has_needs_no_look(writer: Writer, desk: Desk) -> None:
    writer.accept()
    writer.accept()
    assert looked(desk, QueueFilter(status=(RecipientStatus.HELD,))) == 1


@pytest.mark.usefixtures("long")
def test_a_queue_that_is_too_long_is_not_kept_in_memory(
    writer: Writer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "_MOST", 5)
    monkeypatch.setattr(finder, "_TURN", 1)
    name = writer.accept(sender="needle@ship.test")
    fill(writer)
    ready(desk)
    assert desk.ids(QueueFilter(text="needle")) == [name]
    assert looked(desk, QueueFilter(text="needle")) > 10


@pytest.mark.usefixtures("long")
def test_too_many_candidates_are_looked_at_as_they_come(
    writer: Writer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer)
    monkeypatch.setattr(finder, "_FEW", 3)
    ready(desk)
    wanted = QueueFilter(text="one.test")
    assert desk.ids(wanted) == all_by_looking(writer, wanted)


@pytest.mark.usefixtures("long")
def test_what_is_common_is_looked_for_as_it_comes(
    writer: Writer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = writer.accept(sender="needle@ship.test")
    fill(writer)
    monkeypatch.setattr(haystack, "_NEWEST", 20)
    monkeypatch.setattr(haystack, "_COMMON", 5)
    ready(desk)
    for text, common in (("one.test", True), ("needle", False)):
        wanted = QueueFilter(text=text)
        assert desk.ids(wanted) == all_by_looking(writer, wanted)
        assert (looked(desk, wanted) > 10) == common
    assert desk.ids(QueueFilter(text="needle")) == [name]
