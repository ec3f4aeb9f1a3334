"""The reader of the spool: pages, filters, stories and mailboxes."""

from __future__ import annotations

import apsw
import pytest

from appliance.mail.views import (
    MailboxView,
    QueueFilter,
    RecipientStatus,
)
from appliance.replica.record import Ending, Log, Removed, Result, Segment, Started, encode
from appliance.spool import reader as reading
from tests.unit.spool_reader.desk import ALL, IN_QUEUE, Desk
from tests.unit.spool_reader.writer import OK, B, Writer


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


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_mailbox_is_read_page_by_page(
    writer: Writer, desk: Desk, limit: int, newest: bool
) -> None:
    names = [writer.accept() for _ in range(5)]
    for name in reversed(names):
        writer.deliver(name, "bob")
    found, after = list[str](), ""
    while True:
        page = desk.reader.mailbox("bob", limit, after, newest)
        found += [entry.queue_id for entry in page.entries]
        after = page.after
        if not after:
            break
    assert found == (names[::-1] if newest else names)


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
