"""The indexer follows a real spool: what came, what changed, what went, gaps, and its own end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.replica.record import Log, Pruned
from appliance.search.index import Index
from appliance.search.indexer import Activity, Indexer
from appliance.search.query import parse
from appliance.search.source import Source
from appliance.spool.feed import Feed
from tests.unit.search.oracle import found_ids
from tests.unit.spool_reader.writer import A, Writer


class Unhurried:
    """A machine that has time."""

    def __init__(self) -> None:
        self.rests = False

    def resting(self) -> bool:
        return self.rests

    def pause(self) -> None:
        """Nothing to wait for."""


class Rig:
    """A spool's writer, an index beside it, and a clock that only the test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = Writer(folder / "spool")
        self.now = 0
        self.spare = True
        self.pace = Unhurried()
        self.start()

    def start(self) -> None:
        """As a new process."""
        self.feed = Feed(self.folder / "spool")
        source: Source = self.feed
        self.index = Index(self.folder / "index", 20)
        self.index.open()
        self.indexer = Indexer(self.index, source, lambda: self.now, lambda: self.spare, self.pace)

    def stop(self) -> None:
        self.index.close()
        self.feed.close()

    def settle(self) -> None:
        """Let time pass until there is nothing left to do."""
        for _ in range(300):
            self.now += 300
            self.indexer.turn()
            if self.indexer.progress.activity is Activity.IDLE and self.now % 30_000 == 0:
                return
        raise AssertionError(self.indexer.progress)

    def accept(self, text: str, *, held: bool = False, external: bool = False) -> str:
        content = f"Subject: {text}\r\n\r\n{text}\r\n".encode()
        return self.writer.accept(content=content, held=held, external=external)

    def find(self, query: str) -> list[str]:
        return found_ids(self.index, parse(query, 0))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.stop()
    rig.writer.close()


def test_mail_from_before_and_from_now_is_found_newest_first(rig: Rig) -> None:
    before = [rig.accept("tide tables") for _ in range(3)]
    rig.settle()
    assert rig.find("tide") == before[::-1]
    after = [rig.accept("tide"), rig.accept("neap tide", external=True), rig.accept("ebb")]
    rig.settle()
    assert rig.find("tide") == [after[1], after[0], *before[::-1]]
    assert rig.indexer.progress.complete
    assert rig.indexer.progress.waiting == 0


def test_a_message_waits_for_others_but_not_long(rig: Rig) -> None:
    rig.settle()
    name = rig.accept("tide")
    while not rig.find("tide"):
        rig.now += 100
        rig.indexer.turn()
        progress = rig.indexer.progress
        assert progress.lag <= 1500
    assert rig.find("tide") == [name]


def test_the_lag_counts_what_is_still_in_the_journal(rig: Rig) -> None:
    rig.settle()
    for _ in range(700):  # more than is read of the journal at once
        rig.accept("tide")
    rig.indexer.turn()
    lags = list[int]()
    while len(rig.find("tide")) < 50 or rig.indexer.progress.lag:
        rig.now += 300
        rig.indexer.turn()
        lags.append(rig.indexer.progress.lag)
    assert max(lags) >= 300 * (len(lags) - 5)
    assert rig.index.documents == 700


def test_states_follow_the_journal(rig: Rig) -> None:
    held, sent, late = rig.accept("a", held=True), rig.accept("b"), rig.accept("c")
    rig.settle()
    assert rig.find("is:held") == [held]
    assert rig.find("is:queued") == [late, sent]
    rig.writer.deliver(sent)
    rig.writer.defer(late)
    rig.writer.log(held, "release", Log(0, "one.test"))
    rig.settle()
    assert rig.find("is:held") == []
    assert rig.find("is:delivered") == [sent]
    assert rig.find("is:deferred") == [late]
    assert rig.find("is:queued") == [held]


def test_states_that_moved_while_nobody_followed(rig: Rig) -> None:
    name = rig.accept("tide", held=True)
    rig.settle()
    rig.stop()
    rig.writer.log(name, "release", Log(0, "one.test"))
    rig.writer.deliver(name)
    rig.start()
    rig.settle()
    assert rig.find("is:delivered tide") == [name]


def test_pruned_mail_leaves_the_index(rig: Rig) -> None:
    names = [rig.accept("tide") for _ in range(30)]
    for name in names[:5]:
        rig.writer.deliver(name)
    rig.settle()
    rig.writer.write(Pruned(tuple(names[:3])))
    rig.settle()
    assert rig.find("tide") == names[:2:-1]
    rig.stop()
    rig.writer.write(Pruned(tuple(names[3:5])))
    rig.start()
    rig.settle()
    assert rig.find("tide") == names[:4:-1]
    assert sum(unit.documents for unit in rig.index.units) == 25


def test_what_the_journal_no_longer_tells_is_counted(rig: Rig) -> None:
    first = rig.accept("tide")
    rig.settle()
    later = [rig.accept("tide") for _ in range(5)]
    last = rig.writer.db.execute("SELECT max(lsn) FROM journal").get
    rig.writer.db.execute("DELETE FROM journal WHERE lsn<?", (last,))
    rig.settle()
    assert rig.find("tide") == [*later[::-1], first]
    assert rig.indexer.progress.complete


def test_what_came_by_snapshot_is_counted(rig: Rig) -> None:
    """A snapshot moves an incarnation's tip and brings messages without a segment."""
    rig.settle()
    names = [rig.accept("tide") for _ in range(3)]
    rig.writer.db.execute("DELETE FROM journal WHERE lsn>1")
    rig.settle()
    assert rig.find("tide") == names[::-1]


def test_a_kill_at_any_turn_loses_nothing_and_doubles_nothing(rig: Rig) -> None:
    names = []
    for number in range(12):
        names.append(rig.accept("tide"))
        for _ in range(number % 7):
            rig.now += 300
            rig.indexer.turn()
        rig.stop()
        rig.start()
    rig.settle()
    assert rig.find("tide") == names[::-1]


def test_a_kill_between_two_commits_of_what_waited(rig: Rig) -> None:
    """The mark stays behind while more waits: what was committed is met in the journal again."""
    rig.settle()
    names = [rig.accept("tide") for _ in range(50)]
    while not 0 < rig.index.documents < 50:
        rig.now += 300
        rig.indexer.turn()
    rig.stop()
    rig.start()
    assert 0 < rig.index.documents < 50
    rig.settle()
    assert rig.find("tide") == names[::-1]


def test_another_spool_at_the_same_place_is_another_index(rig: Rig) -> None:
    rig.accept("tide")
    rig.settle()
    rig.stop()
    rig.writer.close()
    (rig.folder / "spool" / "spool.db").unlink()
    rig.writer = Writer(rig.folder / "spool", A, b"9" * 16)
    name = rig.accept("tide")
    rig.start()
    rig.settle()
    assert rig.find("tide") == [name]


def test_reindexing_begins_anew(rig: Rig) -> None:
    names = [rig.accept("tide") for _ in range(25)]
    rig.settle()
    rig.indexer.reindex()
    assert not rig.indexer.progress.complete
    rig.indexer.turn()
    assert rig.index.documents < 25
    rig.settle()
    assert rig.find("tide") == names[::-1]
    assert rig.indexer.progress.total == 25


def test_without_room_on_the_disk_it_stops_and_says_so(rig: Rig) -> None:
    rig.settle()
    rig.spare = False
    name = rig.accept("tide")
    assert not rig.indexer.turn()
    assert rig.indexer.progress.activity is Activity.SHORT_OF_DISK
    assert rig.find("tide") == []
    rig.spare = True
    rig.settle()
    assert rig.find("tide") == [name]


def test_without_a_spool_it_waits(tmp_path: Path) -> None:
    feed = Feed(tmp_path / "spool")
    index = Index(tmp_path / "index")
    index.open()
    indexer = Indexer(index, feed, lambda: 0, lambda: True, Unhurried())
    assert not indexer.turn()
    assert indexer.progress.activity is Activity.SPOOL_AWAY
    index.close()


def test_a_damaged_partition_is_rebuilt_from_the_spool(rig: Rig) -> None:
    names = [rig.accept("tide") for _ in range(45)]
    rig.settle()
    rig.stop()
    (broken,) = (rig.folder / "index" / "p000002").glob("*.seg")
    broken.write_bytes(broken.read_bytes()[:100])
    rig.start()
    assert len(rig.find("tide")) == 25
    assert not rig.indexer.progress.complete
    rig.settle()
    assert rig.find("tide") == names[::-1]
    assert rig.indexer.progress.complete


def test_mail_whose_content_is_lost_is_found_by_its_envelope(rig: Rig) -> None:
    name = rig.writer.accept("zoe@site.test", external=True)
    (rig.writer.content / name).unlink()
    rig.settle()
    assert rig.find("to:zoe@site.test") == [name]
