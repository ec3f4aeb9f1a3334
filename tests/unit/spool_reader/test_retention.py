"""Forgetting what ended long ago: what may go, on both nodes alike, and what comes late."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.replica.record import (
    Accepted,
    Attempt,
    Ended,
    Ending,
    Leased,
    Log,
    Pruned,
    Result,
)
from appliance.spool.operations import Sweep
from appliance.spool.reader import Reader
from appliance.spool.retention import Retention, reusable
from tests.unit.spool_reader.nodes import Node, Wire
from tests.unit.spool_reader.writer import OK, B, Writer

DAY = 86_400_000
KEEP = 7 * DAY


@pytest.fixture
def retention(writer: Writer) -> Retention:
    return Retention(writer.store, batch=3)


def sweep(
    writer: Writer, retention: Retention, keep: int = KEEP, shared: bool = False
) -> list[str]:
    """Prune once, as the engine does; the queue ids."""
    record = retention.choose(writer.now, keep, shared)
    if record is None:
        return []
    writer.write(record)
    return list(record.queue_ids)


# What may go.


def test_what_ended_long_ago_goes_the_oldest_first(writer: Writer, retention: Retention) -> None:
    names = []
    for _ in range(7):
        names.append(writer.accept())
        writer.deliver(names[-1])
        writer.now += 10
    writer.now += KEEP
    assert [sweep(writer, retention) for _ in range(4)] == [names[:3], names[3:6], names[6:], []]
    assert not any(writer.store.holds(name) for name in names)


def test_what_ended_lately_stays_however_old_it_is(writer: Writer, retention: Retention) -> None:
    name = writer.accept()
    writer.now += 10 * KEEP
    writer.deliver(name)
    writer.now += KEEP
    assert sweep(writer, retention) == []
    writer.now += 1
    assert sweep(writer, retention) == [name]


def test_what_is_in_the_queue_or_in_a_mailbox_stays(writer: Writer, retention: Retention) -> None:
    queued, filed, half = writer.accept(), writer.accept(), writer.accept("a@b.test", "c@d.test")
    writer.deliver(filed, mailbox="bob")
    writer.end(half, writer.lease(half, 0), Ending(0, Result.DELIVERED, OK))
    writer.now += 100 * KEEP
    assert sweep(writer, retention, keep=0) == []
    assert all(writer.store.holds(name) for name in (queued, filed, half))


def test_what_the_peer_does_not_hold_whole_stays(writer: Writer, retention: Retention) -> None:
    name = writer.accept()
    writer.deliver(name)
    own, tip = writer.store.incarnation, writer.store.journal.positions()
    writer.now += KEEP + 1
    for held in range(tip[own]):
        writer.store.begin()
        writer.store.journal.share({own: held})
        writer.store.commit()
        assert sweep(writer, retention, shared=True) == []
    writer.store.begin()
    writer.store.journal.share(tip)
    writer.store.commit()
    assert sweep(writer, retention, shared=True) == [name]


def test_the_owner_alone_writes_the_record(writer: Writer, retention: Retention) -> None:
    theirs = writer.accept()
    writer.deliver(theirs)
    writer.claim(B)
    mine = writer.accept()
    writer.deliver(mine)
    writer.now += KEEP + 1
    assert sweep(writer, retention) == [mine]
    assert writer.store.holds(theirs)


def test_a_doubt_stays_for_a_day_even_where_the_disk_is_short(
    writer: Writer, retention: Retention
) -> None:
    name = writer.accept()
    writer.end(name, writer.lease(name), Ending(0, Result.DOUBT, log=Log(0, "one.test")))
    writer.deliver(name)
    writer.now += DAY - 1
    assert sweep(writer, retention, keep=0) == []
    writer.now += 1
    assert sweep(writer, retention, keep=0) == [name]


def test_what_may_not_go_holds_up_nothing(writer: Writer, retention: Retention) -> None:
    names = [writer.accept() for _ in range(8)]
    for name in names[:5]:
        writer.deliver(name)
    writer.claim(B)
    late = [writer.accept() for _ in range(2)]
    for name in late:
        writer.deliver(name)
    writer.now += KEEP + 1
    found = [sweep(writer, retention) for _ in range(3)]
    assert [name for batch in found for name in batch] == late


def test_a_new_round_finds_what_was_passed_over(writer: Writer, retention: Retention) -> None:
    name = writer.accept()
    writer.deliver(name)
    writer.claim(B)
    writer.now += KEEP + 1
    assert sweep(writer, retention) == []
    writer.claim(writer.store.node)
    assert sweep(writer, retention) == [name]


# What pruning leaves.


def test_nothing_of_it_is_left(writer: Writer, retention: Retention) -> None:
    small, large = writer.accept(content=b"x" * 50_000), writer.accept(external=True)
    writer.deliver(small)
    writer.deliver(large)
    writer.now += KEEP + 1
    before = reusable(writer.db)
    assert sweep(writer, retention) == [small, large]
    assert writer.store.pruning.dropped == [large]
    assert reusable(writer.db) >= before + 45_000
    for table in ("message", "content", "schedule", "lease"):
        assert writer.db.execute(f"SELECT count(*) FROM {table}").get == 0
    reader = Reader(writer.folder, "a", lambda: None, lambda: 0)
    with pytest.raises(LookupError):
        reader.message(small)
    assert reader.counts().owned_here == 0
    reader.close()


def test_pruning_in_the_turn_of_the_end_leaves_no_rows(writer: Writer) -> None:
    name = writer.accept()
    attempt = writer.lease(name)
    writer.write(Ended(name, attempt, (Ending(0, Result.DELIVERED, OK),)), Pruned((name,)))
    assert writer.store.unapplied == 0
    for table in ("message", "schedule", "lease"):
        assert writer.db.execute(f"SELECT count(*) FROM {table}").get == 0


@pytest.mark.parametrize("mailbox", [None, "bob"])
def test_what_has_not_ended_here_is_never_pruned(writer: Writer, mailbox: str | None) -> None:
    name, other = writer.accept(), writer.accept()
    if mailbox:
        writer.deliver(name, mailbox)
    writer.deliver(other)
    writer.write(Pruned((name, other)))
    assert writer.store.holds(name)
    assert not writer.store.holds(other)
    assert writer.store.unapplied == 1


def test_an_alarm_outlives_a_restart(writer: Writer) -> None:
    writer.write(Pruned((writer.accept(),)))
    writer.close()
    again = Writer(writer.folder, incarnation=b"2" * 16)
    assert again.store.unapplied == 1
    again.close()


# What comes late.


def test_a_late_record_is_no_alarm(writer: Writer, retention: Retention) -> None:
    name = writer.accept()
    attempt = writer.lease(name)
    writer.end(name, attempt, Ending(0, Result.DELIVERED, OK))
    writer.write(Pruned((name,)))
    writer.end(name, attempt, Ending(0, Result.DELIVERED, OK))
    writer.write(Leased(name, (0,)), Pruned((name,)))
    assert (writer.store.unapplied, writer.store.late) == (0, 2)


def test_a_record_about_nobodys_message_is_an_alarm(writer: Writer) -> None:
    writer.write(Leased("0" * 14, (0,)))
    assert (writer.store.unapplied, writer.store.late) == (1, 0)


def test_records_about_a_message_that_came_damaged_stay_alarms_until_it_is_pruned(
    writer: Writer,
) -> None:
    name = writer.accept()[:-1] + "9"
    writer.write(Accepted(name, b"", ("one.test",), 1, b"digest"))
    writer.write(Leased(name, (0,)))
    assert (writer.store.unapplied, writer.store.late) == (2, 0)
    writer.write(Pruned((name,)))
    assert writer.store.unapplied == 0


def test_a_bad_index_is_an_alarm_though_the_message_is_here(writer: Writer) -> None:
    name = writer.accept()
    writer.end(name, Attempt(b"x" * 16, 1), Ending(7, Result.DELIVERED))
    assert (writer.store.unapplied, writer.store.late) == (1, 0)


# On both nodes.


class Two:
    """A pair of nodes, paired."""

    def __init__(self, folder: Path, keep: int = 99) -> None:
        self.folder = folder
        self.a = Node(folder / "a", "a", 1, keep=keep)
        self.b = Node(folder / "b", "b", 1, now=5_000, keep=keep)
        self.wire = Wire(self.a, self.b)

    def sweep(self, keep: int = 0) -> None:
        """Both nodes prune what they may."""
        for _ in range(2):
            for node in (self.a, self.b):
                node.now += 1
                node.submit(Sweep(keep))

    def restart_b(self, now: int, keep: int = 99) -> None:
        """As after its disk became what it is now."""
        self.b = Node(self.folder / "b", "b", now, now=now, keep=keep)
        self.wire = Wire(self.a, self.b)

    def assert_alike(self) -> None:
        assert self.a.dump() == self.b.dump()
        assert (self.a.store.unapplied, self.b.store.unapplied) == (0, 0)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    yield two
    two.a.close()
    two.b.close()


def test_both_nodes_forget_the_same_and_remove_bodies(two: Two) -> None:
    names = [two.a.accept(), two.b.accept(), two.a.accept(content=b"x" * 500, external=True)]
    two.a.deliver()
    two.b.deliver()
    kept = two.a.accept()
    assert (two.b.folder / "content" / names[2]).exists()
    two.sweep()
    for node in (two.a, two.b):
        assert not any(node.store.holds(name) for name in names)
        assert node.store.holds(kept)
        assert list((node.folder / "content").iterdir()) == []
    two.assert_alike()


def test_nothing_is_forgotten_that_only_one_node_knows_to_have_ended(two: Two) -> None:
    name = two.a.accept()
    leases = two.a.lease()
    two.wire.cut()
    two.a.report(leases)
    two.a.now += KEEP
    two.a.submit(Sweep(0))
    assert two.a.store.holds(name)
    two.wire = Wire(two.a, two.b)
    two.sweep()
    assert not two.a.store.holds(name)
    two.assert_alike()


def test_a_new_disk_is_filled_from_a_journal_whose_content_was_pruned(two: Two) -> None:
    gone = [two.a.accept(), two.a.accept(content=b"x" * 500, external=True)]
    two.a.deliver()
    two.sweep()
    kept = two.a.accept()
    two.wire.cut()
    two.b.close()
    shutil.rmtree(two.b.folder)
    two.restart_b(now=9_000)
    assert two.b.store.holds(kept)
    assert not any(two.b.store.holds(name) for name in gone)
    two.assert_alike()


@pytest.mark.parametrize("ended", [True, False])
def test_a_restored_disk_does_not_bring_back_what_was_pruned(tmp_path: Path, ended: bool) -> None:
    two = Two(tmp_path, keep=1)
    name = two.b.accept(content=b"x" * 500, external=True)
    if ended:
        two.b.deliver()
    two.wire.cut()
    two.b.close()
    shutil.copytree(two.b.folder, tmp_path / "backup")
    two.restart_b(now=9_000, keep=1)
    two.b.deliver()
    two.sweep()
    kept = [two.a.accept() for _ in range(5)]  # and the journal forgets
    assert not two.a.store.holds(name)
    two.wire.cut()
    two.b.close()
    shutil.rmtree(two.b.folder)
    shutil.copytree(tmp_path / "backup", two.b.folder)
    two.restart_b(now=99_000, keep=1)
    assert not two.b.store.holds(name)
    assert all(two.b.store.holds(one) for one in kept)
    two.assert_alike()
    two.a.close()
    two.b.close()


def test_a_node_without_a_peer_needs_nobodys_word(tmp_path: Path) -> None:
    node = Node(tmp_path / "a", "a", 1, alone=True)
    name = node.accept(external=True)
    node.deliver()
    node.now += 1
    node.submit(Sweep(0))
    assert not node.store.holds(name)
    node.close()


def test_a_body_left_by_a_crash_goes_at_the_next_start(tmp_path: Path) -> None:
    node = Node(tmp_path / "a", "a", 1, alone=True)
    name = node.accept(external=True)
    node.deliver()
    node.now += 1
    node.engine.submit(Sweep(0))
    assert node.engine.turn(node.now)
    node.store.commit()  # and dies before the file is removed
    node.close()
    assert (tmp_path / "a" / "content" / name).exists()
    again = Node(tmp_path / "a", "a", 2, alone=True)
    assert not (tmp_path / "a" / "content" / name).exists()
    again.close()
