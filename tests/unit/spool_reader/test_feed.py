"""The spool for those who follow it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.mail.views import RecipientStatus, Unavailable
from appliance.replica.record import Ending, Pruned, Result
from appliance.spool.feed import Feed
from tests.unit.spool_reader.writer import OK, A, Writer


@pytest.fixture
def feed(writer: Writer) -> Iterator[Feed]:
    feed = Feed(writer.folder)
    yield feed
    feed.close()


def test_changes_in_order_and_in_portions(writer: Writer, feed: Feed) -> None:
    start = feed.head()
    names = [writer.accept() for _ in range(3)]
    writer.deliver(names[1])
    writer.write(Pruned((names[1],)))
    whole = feed.changes(start.lsn, start.tips, 100)
    assert whole.accepted == tuple(names)
    assert whole.touched == (names[1],)
    assert whole.gone == (names[1],)
    assert (whole.head, whole.gap) == (True, False)
    assert (whole.lsn, whole.tips) == (feed.head().lsn, feed.head().tips)
    place, portions = start, list[str]()
    while place.lsn < whole.lsn:
        place = feed.changes(place.lsn, place.tips, 2)
        assert not place.gap
        portions += place.accepted
    assert tuple(portions) == whole.accepted


def test_a_later_incarnation_is_the_same_spool(writer: Writer, feed: Feed) -> None:
    start, before = feed.head(), feed.identity()
    writer.close()
    again = Writer(writer.folder, A, b"2" * 16)
    name = again.accept()
    told = feed.changes(start.lsn, start.tips, 100)
    assert (told.accepted, told.gap) == ((name,), False)
    assert feed.identity() == before
    again.close()


def test_gaps(writer: Writer, feed: Feed) -> None:
    start = feed.head()
    for _ in range(4):
        writer.accept()
    assert feed.changes(start.lsn + 100, start.tips, 9).gap  # an older copy of the spool
    writer.db.execute("DELETE FROM journal WHERE lsn=?", (start.lsn + 1,))
    assert feed.changes(start.lsn, start.tips, 9).gap  # pruned
    writer.db.execute("DELETE FROM journal WHERE lsn>?", (start.lsn,))
    assert feed.changes(start.lsn, start.tips, 9).gap  # moved by a snapshot


def test_the_census_tells_everybody_once(writer: Writer, feed: Feed) -> None:
    names = [writer.accept() for _ in range(7)]
    writer.deliver(names[2])
    writer.deliver(names[4], "al")
    found, place = list[str](), None
    while True:
        some, place = feed.census(place, 2)
        found += some
        if place is None:
            break
    assert sorted(found) == sorted(names)
    assert feed.count() == 7


def test_where_recipients_stand(writer: Writer, feed: Feed) -> None:
    name = writer.accept("a@one.test", "b@one.test", "c@one.test")
    assert set(feed.status(name) or ()) == {RecipientStatus.QUEUED}
    attempt = writer.lease(name, 0, 1)
    writer.end(
        name, attempt, Ending(0, Result.DELIVERED, OK, None), Ending(1, Result.BOUNCED, OK, None)
    )
    assert set(feed.status(name) or ()) == {
        RecipientStatus.DELIVERED,
        RecipientStatus.BOUNCED,
        RecipientStatus.QUEUED,
    }
    ((mail, _),) = feed.letters((name,), 1)
    assert (mail.sender, len(mail.recipients)) == ("sender@site.test", 3)
    assert set(feed.status(writer.accept(held=True)) or ()) == {RecipientStatus.HELD}


def test_counts(writer: Writer, feed: Feed) -> None:
    before = feed.counts()
    name = writer.accept()
    writer.accept()
    writer.deliver(name)
    messages, records = feed.counts()
    assert (messages - before[0], records - before[1]) == (2, 4)


def test_content(writer: Writer, feed: Feed) -> None:
    small = writer.accept(content=b"small")
    large = writer.accept(content=bytes(200_000), external=True)
    told = list(feed.letters((large, "unknown", small), 100_000))
    assert [mail.queue_id for mail, _ in told] == [large, small]
    assert 100_000 <= len(told[0][1]) < 200_000
    assert told[1][1] == b"small"
    (writer.content / large).unlink()
    assert [body for _, body in feed.letters((large, small), 3)] == [b"", b"small"]


@pytest.mark.parametrize("name", ["", "x", "64RK2C9H640099", "0000000000ZZZZ"])
def test_who_is_not_here(writer: Writer, feed: Feed, name: str) -> None:
    writer.accept()
    assert not list(feed.letters((name,), 1))
    assert feed.status(name) is None
    assert feed.arrived(name) is None


def test_without_a_spool(tmp_path: Path) -> None:
    feed = Feed(tmp_path)
    with pytest.raises(Unavailable):
        feed.head()
    Writer(tmp_path).close()
    assert feed.head().lsn == 1
    feed.close()
