"""What operators are shown, read from tables that a real store wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.control.protocols import QueueReader
from appliance.mail.views import (
    MailboxView,
    MailView,
    PeerView,
    QueueCounts,
    QueueFilter,
    RecipientStatus,
    Unavailable,
)
from appliance.replica.record import Ended, Ending, Log, Removed, Result, Segment, Started, encode
from appliance.spool import reader as reading
from appliance.spool.reader import Reader
from tests.unit.spool_reader.writer import LATER, OK, A, B, Writer

IN_QUEUE, ALL = QueueFilter(), QueueFilter(ended=True)


class Desk:
    """A reader with the mail process's word and the clock in the test's hands."""

    def __init__(self, writer: Writer) -> None:
        self.mail: MailView | None = None
        self.clock = 0
        self._writer = writer
        self.reader = Reader(writer.folder, "a", lambda: self.mail, lambda: self.clock)

    def say(self, synced: bool = True, connected: bool = True) -> None:
        """What the mail process says from now on."""
        store = self._writer.store
        self.mail = MailView(
            node_id=A.hex(),
            incarnation=store.incarnation.hex(),
            uptime=0,
            mode="paired",
            mode_for=0,
            synced=synced,
            accepting=True,
            peer=PeerView(
                name="b",
                node_id=B.hex(),
                connected=connected,
                last_heard_ago=0,
                lag=0,
                lag_ms=0,
            ),
        )

    def ids(self, wanted: QueueFilter = IN_QUEUE, limit: int = 100) -> list[str]:
        """The queue ids of all pages."""
        found, after = list[str](), ""
        while True:
            page = self.reader.queue(wanted, limit, after)
            found += [entry.queue_id for entry in page.entries]
            after = page.after
            if not after:
                return found


@pytest.fixture
def desk(writer: Writer) -> Iterator[Desk]:
    desk = Desk(writer)
    yield desk
    desk.reader.close()


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


# Where recipients stand.


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


# The queue, page by page.


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_are_newest_first_and_complete(writer: Writer, desk: Desk, limit: int) -> None:
    names = []
    for _ in range(7):
        names.append(writer.accept())
        writer.now += 10
    assert desk.ids(limit=limit) == names[::-1]


def test_messages_of_one_moment_are_all_shown(writer: Writer, desk: Desk) -> None:
    names = [writer.accept() for _ in range(5)]
    assert desk.ids(limit=2) == names[::-1]


def test_newest_first_holds_across_incarnations(writer: Writer, desk: Desk) -> None:
    writer.ingest(encode(Segment(b"0" * 16, 1, b"", 1, 0, (Started(B),))))
    writer.close()
    again = Writer(writer.folder, incarnation=b"2" * 16)
    again.now = 5_000
    later = again.accept()
    again.close()
    # The first incarnation's node is gone, but its message came here last.
    third = Writer(writer.folder, incarnation=b"3" * 16)
    third.now = 9_000
    latest = third.accept()
    writer.db = third.db
    assert desk.ids() == [latest, later]


def test_what_ended_has_the_place_of_its_end(writer: Writer, desk: Desk) -> None:
    first, second = writer.accept(), writer.accept()
    writer.now += 10
    third = writer.accept()
    writer.now += 10
    writer.deliver(first)
    writer.now += 10
    writer.deliver(second, mailbox="bob")
    assert desk.ids() == [third]
    assert desk.ids(ALL, limit=1) == [second, first, third]


def test_a_search_through_a_long_queue_is_many_short_calls(
    writer: Writer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BUDGET", 3)
    needle = writer.accept(sender="needle@site.test")
    for _ in range(10):
        writer.accept()
    wanted = QueueFilter(sender="needle@site.test")
    page = desk.reader.queue(wanted, 100, "")
    assert page.entries == ()
    assert page.after
    assert desk.ids(wanted) == [needle]


@pytest.mark.parametrize("after", ["x", "1", "1.x", ".", "1.2.3", "1." + "9" * 30, "9" * 5000])
def test_a_place_that_is_none_is_not_found(writer: Writer, desk: Desk, after: str) -> None:
    with pytest.raises(LookupError):
        desk.reader.queue(IN_QUEUE, 1, after)
    with pytest.raises(LookupError):
        desk.reader.mailbox("bob", 1, after)


@pytest.mark.parametrize(
    "wanted, found",
    [
        (QueueFilter(recipient="AL@One.Test"), [0]),
        (QueueFilter(recipient="@one.test"), [0, 1]),
        (QueueFilter(recipient="@ONE.TEST"), [0, 1]),
        (QueueFilter(recipient="@.one.test"), [2]),
        (QueueFilter(recipient="@other.test"), []),
        (QueueFilter(sender="sender@site.test"), [0, 1, 2]),
        (QueueFilter(sender="@elsewhere.test"), []),
        (QueueFilter(status=(RecipientStatus.HELD,)), []),
        (QueueFilter(status=(RecipientStatus.HELD, RecipientStatus.QUEUED)), [0, 1, 2]),
    ],
)
def test_a_filter_chooses_recipients(
    writer: Writer, desk: Desk, wanted: QueueFilter, found: list[int]
) -> None:
    writer.accept("al@one.test", "bo@one.test", "cy@sub.one.test")
    entries = desk.reader.queue(wanted, 10, "").entries
    assert [[one.index for one in entry.recipients] for entry in entries] == (
        [found] if found else []
    )
    assert all(entry.others == 3 - len(found) for entry in entries)


def test_an_entry_tells_what_the_envelope_says(writer: Writer, desk: Desk) -> None:
    name = writer.accept(sender="")
    (entry,) = desk.reader.queue(IN_QUEUE, 1, "").entries
    assert (entry.queue_id, entry.sender, entry.size, entry.owner) == (name, "", 7, "a")
    assert entry.received_at == 1


# A message's story.


def test_a_story_has_its_steps_in_order(writer: Writer, desk: Desk) -> None:
    name, other = writer.accept("al@one.test", "bo@one.test"), writer.accept()
    writer.now += 1_000
    writer.defer(name)
    writer.defer(other)
    attempt = writer.lease(name, 0)
    writer.end(name, attempt, Ending(0, Result.DELIVERED, OK, mailbox="bob"))
    writer.log(name, "redirect", Log(0, "two.test", address="bo@two.test"), 1)
    writer.write(Removed(name, (1,)))
    desk.clock = writer.now + 5
    story = desk.reader.message(name)
    assert [(s.kind, s.recipients, s.detail) for s in story.steps] == [
        ("accepted", (), ""),
        ("leased", (0, 1), ""),
        ("ended", (0, 1), "deferred"),
        ("leased", (0,), ""),
        ("ended", (0,), "delivered to mailbox bob: 250 2.0.0 ok"),
        ("logged", (1,), "redirect to bo@two.test"),
        ("removed", (1,), ""),
    ]
    assert [s.ago for s in story.steps] == [1_005, *[5] * 6]
    assert {s.node for s in story.steps} == {"a"}
    assert (story.client, story.helo) == ("192.0.2.1", "client.test")


def test_a_story_is_told_as_far_as_the_journal_reaches(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    writer.deliver(name)
    writer.db.execute("DELETE FROM journal WHERE lsn < (SELECT max(lsn) FROM journal)")
    assert [step.kind for step in desk.reader.message(name).steps] == ["ended"]


def test_a_long_story_keeps_its_beginning_and_its_latest_steps(writer: Writer, desk: Desk) -> None:
    name = writer.accept()
    for _ in range(150):
        writer.defer(name)
    steps = desk.reader.message(name).steps
    assert steps[0].kind == "accepted"
    assert len(steps) == 258
    assert [step.kind for step in steps[-2:]] == ["leased", "ended"]


@pytest.mark.parametrize("wrong", ["", "x", "0" * 14, "../x"])
def test_an_unknown_message_is_not_found(writer: Writer, desk: Desk, wrong: str) -> None:
    with pytest.raises(LookupError):
        desk.reader.message(wrong)


# Mailboxes.


def test_mailboxes_hold_what_was_filed(writer: Writer, desk: Desk) -> None:
    assert desk.reader.mailboxes() == []
    first = writer.accept("al@site.test", "bo@site.test", content=b"12345")
    writer.now += 10
    second = writer.accept("bo@site.test", content=b"123")
    writer.deliver(second, "bob")
    attempt = writer.lease(first)
    writer.end(
        first,
        attempt,
        Ending(0, Result.DELIVERED, OK, mailbox="alice"),
        Ending(1, Result.DELIVERED, OK, mailbox="bob"),
    )
    assert desk.reader.mailboxes() == [
        MailboxView(name="alice", messages=1, size=5),
        MailboxView(name="bob", messages=2, size=8),
    ]
    page = desk.reader.mailbox("bob", 10, "")
    assert [(e.queue_id, e.recipients) for e in page.entries] == [
        (first, ("bo@site.test",)),
        (second, ("bo@site.test",)),
    ]
    assert page.after == ""
    assert desk.reader.mailbox("nobody", 10, "").entries == ()


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_mailbox_is_read_page_by_page(writer: Writer, desk: Desk, limit: int) -> None:
    names = [writer.accept() for _ in range(5)]
    for name in reversed(names):
        writer.deliver(name, "bob")
    found, after = list[str](), ""
    while True:
        page = desk.reader.mailbox("bob", limit, after)
        found += [entry.queue_id for entry in page.entries]
        after = page.after
        if not after:
            break
    assert found == names


def test_content_is_exported_in_blocks(writer: Writer, desk: Desk) -> None:
    name = writer.accept(content=b"x" * 600_000, external=True)
    blocks = list(desk.reader.chunks(name))
    assert (len(blocks), max(map(len, blocks))) == (3, 256 * 1024)


def test_no_call_leaves_a_transaction_open(writer: Writer, desk: Desk) -> None:
    for _ in range(5):
        writer.deliver(writer.accept(), "bob")
        writer.accept()
    desk.reader.counts()
    desk.reader.queue(ALL, 1, "")
    desk.reader.mailbox("bob", 1, "")
    with pytest.raises(LookupError):
        desk.reader.message("0" * 14)
    writer.accept()
    # TRUNCATE waits for every reader of the WAL: with none all is copied.
    assert writer.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE) == (0, 0)
