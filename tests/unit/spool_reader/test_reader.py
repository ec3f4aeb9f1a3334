"""The reader of the spool: what it says of one recipient."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.control.protocols import QueueReader
from appliance.mail.views import (
    QueueCounts,
    QueueFilter,
    RecipientStatus,
    Unavailable,
)
from appliance.replica.record import Ended, Ending, Log, Removed, Result, Segment, Started, encode
from appliance.spool.reader import Reader
from tests.unit.spool_reader.desk import ALL, IN_QUEUE, Desk
from tests.unit.spool_reader.writer import LATER, OK, B, Writer


def statuses(desk: Desk, name: str) -> list[str]:
    return [str(one.status) for one in desk.reader.message(name).recipients]


def test_without_a_spool_it_is_unavailable_and_later_there(tmp_path: Path) -> None:
    reader: QueueReader = Reader(tmp_path / "spool", "a", lambda: None, lambda: 0)
    for ask in (reader.counts, reader.mailboxes, lambda: reader.queue(IN_QUEUE, 1, "")):
        with pytest.raises(Unavailable):
            ask()
    with pytest.raises(Unavailable):
        reader.chunks("0" * 14)
    writer = Writer(tmp_path / "spool")
    name = writer.accept()
    assert reader.message(name).queue_id == name
    assert isinstance(reader, Reader)
    reader.close()
    writer.close()


def test_a_schema_of_another_release_is_unavailable(writer: Writer, desk: Desk) -> None:
    writer.db.pragma("user_version", 99)
    with pytest.raises(Unavailable, match="schema 99"):
        desk.reader.counts()


def test_every_status_has_its_name(writer: Writer, desk: Desk) -> None:
    new, tried, held, leased = (writer.accept() for _ in range(4))
    writer.defer(tried)
    writer.log(held, "hold", Log(0, "one.test", held=True))
    writer.lease(leased)
    assert [statuses(desk, name) for name in (new, tried, held, leased)] == [
        ["queued"],
        ["deferred"],
        ["held"],
        ["leased"],
    ]
    assert desk.reader.counts() == QueueCounts(queued=1, deferred=1, held=1, leased=1, owned_here=4)


def test_ends_have_their_names_and_leave_the_counts(writer: Writer, desk: Desk) -> None:
    name = writer.accept("al@one.test", "bo@one.test", "cy@one.test", "di@one.test")
    attempt = writer.lease(name, 0, 1, 2)
    writer.end(
        name,
        attempt,
        Ending(0, Result.DELIVERED, OK),
        Ending(1, Result.BOUNCED, LATER),
        Ending(2, Result.EXPIRED, LATER),
    )
    writer.write(Removed(name, (3,)))
    assert statuses(desk, name) == ["delivered", "bounced", "expired", "removed"]
    assert desk.reader.counts() == QueueCounts()
    assert desk.ids() == []
    assert desk.ids(ALL) == [name]


def test_an_old_backlog_waits_until_the_node_is_synced(writer: Writer, desk: Desk) -> None:
    old = writer.accept()
    writer.close()
    again = Writer(writer.folder, incarnation=b"2" * 16)
    fresh = again.accept()
    writer.store, writer.db = again.store, again.db
    desk.say(synced=False)
    assert (statuses(desk, old), statuses(desk, fresh)) == (["waiting"], ["queued"])
    assert desk.reader.counts() == QueueCounts(queued=1, waiting=1, owned_here=2)
    assert desk.ids(QueueFilter(status=(RecipientStatus.WAITING,))) == [old]
    desk.say(synced=True)
    assert desk.reader.counts() == QueueCounts(queued=2, owned_here=2)


def test_what_the_peer_owns_waits_while_it_is_out_of_reach(writer: Writer, desk: Desk) -> None:
    name, held = writer.accept(), writer.accept(held=True)
    writer.claim(B)
    mine = writer.accept()
    desk.say(connected=False)
    assert desk.reader.counts() == QueueCounts(
        queued=1, waiting=1, held=1, owned_here=1, owned_by_peer=2
    )
    assert [statuses(desk, one) for one in (name, held, mine)] == [
        ["waiting"],
        ["held"],
        ["queued"],
    ]
    assert [desk.reader.message(one).owner for one in (name, mine)] == ["b", "a"]
    desk.say(connected=True)
    assert desk.reader.counts() == QueueCounts(queued=2, held=1, owned_here=1, owned_by_peer=2)


def test_a_node_without_known_name_has_its_id(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    writer.claim(B)
    assert desk.reader.message(name).owner == B.hex()


def test_ages_and_delays_are_the_nodes_running_time(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    writer.now += 500
    writer.defer(name, retry_in=60_000)
    desk.clock = writer.now + 10_000  # no transaction since
    (entry,) = desk.reader.queue(IN_QUEUE, 1, "").entries
    assert entry.age == 10_500
    assert entry.recipients[0].due_in == 50_000
    desk.clock += 100_000
    (entry,) = desk.reader.queue(IN_QUEUE, 1, "").entries
    assert entry.recipients[0].due_in == 0


def test_due_times_of_a_peer_are_read_by_its_clock(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    writer.store.begin()
    writer.store.hear_clock(B, 700_000, writer.now)
    writer.store.commit()
    desk.clock = writer.now
    writer.ingest(encode(Segment(b"9" * 16, 1, b"", 5, 700_000, (Started(B),))))
    tip = writer.store.journal.marks()[b"9" * 16].hash
    log = Log(705_000, "one.test", tries=1)
    attempt = writer.lease(name)
    ended = Ended(name, attempt, (Ending(0, Result.DEFERRED, log=log),))
    writer.ingest(encode(Segment(b"9" * 16, 2, tip, 5, 700_000, (ended,))))
    (entry,) = desk.reader.queue(IN_QUEUE, 1, "").entries
    assert entry.recipients[0].due_in == 5_000


def test_the_last_reply_is_shown(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    writer.defer(name)
    (recipient,) = desk.reader.message(name).recipients
    assert (recipient.reply, recipient.remote, recipient.tries) == ("450 4.2.0 later", "hop", 1)
    writer.deliver(name)
    (recipient,) = desk.reader.message(name).recipients
    assert (recipient.reply, recipient.tries, recipient.due_in) == ("250 2.0.0 ok", 2, None)


def test_repeats_and_doubts_are_told(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    doubtful = writer.lease(name)
    log = Log(writer.now, "one.test")
    writer.end(name, doubtful, Ending(0, Result.DOUBT, log=log))
    assert statuses(desk, name) == ["deferred"]
    writer.deliver(name, mailbox="bob")
    (recipient,) = desk.reader.message(name).recipients
    assert (recipient.deliveries, recipient.doubts, recipient.mailbox) == (1, 1, "bob")
    writer.end(name, doubtful, Ending(0, Result.DELIVERED, OK))
    (recipient,) = desk.reader.message(name).recipients
    assert (recipient.deliveries, recipient.doubts) == (2, 0)


def test_a_redirect_shows_both_addresses(writer: Writer, desk: Desk) -> None:
    name = writer.accept("al@one.test")
    writer.log(name, "redirect", Log(0, "two.test", address="bo@two.test"))
    (recipient,) = desk.reader.message(name).recipients
    assert (recipient.address, recipient.original) == ("bo@two.test", "al@one.test")
    assert desk.ids(QueueFilter(recipient="bo@two.test")) == [name]
    assert desk.ids(QueueFilter(recipient="al@one.test")) == [name]


def test_the_oldest_that_is_not_held_tells_the_age_of_the_queue(writer: Writer, desk: Desk) -> None:
    desk.clock = 5_000
    assert desk.reader.oldest() == 0
    writer.log(writer.accept(), "hold", Log(0, "one.test", held=True))
    assert desk.reader.oldest() == 0
    writer.now += 1_000
    ended = writer.accept()
    writer.now += 1_000
    writer.accept()
    before = desk.reader.oldest()
    writer.deliver(ended)
    assert before - desk.reader.oldest() == 1_000


def test_the_queue_is_counted_by_age(writer: Writer, desk: Desk) -> None:
    writer.accept()
    writer.now += 600_001
    writer.accept()
    writer.accept()
    desk.clock = writer.now
    assert list(desk.reader.ages()) == [2, 0, 1, 0, 0, 0]
