"""Salvage: what only a dead node's disk has is taken over, nothing living is overwritten."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from appliance.replica.record import Result
from appliance.spool import salvage as salvaging
from appliance.spool.operations import Accept, Salvage, Sweep, TakeOver
from appliance.spool.salvage import SalvageReport
from appliance.spool.wreck import Wreck
from tests.support.spool import check_derived, check_journal
from tests.unit.spool_reader.dead_disk import LARGE, Scene, queued
from tests.unit.spool_reader.nodes import Node, Wire


def digests(folder: Path) -> dict[str, bytes]:
    """What is on a disk, byte for byte."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def results(node: Node, name: str) -> list[Result | None]:
    return [r.final for r in node.store.messages.get(name).state.recipients]


def owner(node: Node, name: str) -> bytes:
    state = node.store.messages.get(name).state
    return node.store.ownership.owner(state.incarnation, state.seq)


def check(node: Node) -> None:
    """The journal's chain, the derived tables, and all content."""
    check_journal(node.store)
    entries = list(node.store.messages.after(0, 1000))
    check_derived(node.store, entries)
    for entry in entries:
        body = node.bodies.read(entry.queue_id, 0, 1 << 20) if entry.external else None
        content = node.store.content(entry.queue_id) if body is None else body
        assert content is not None
        assert sha256(content).digest() == entry.digest


def test_what_only_the_dead_node_had_is_taken_over_and_delivered(scene: Scene) -> None:
    scene.part()
    small, large = scene.b.accept(content=b"small"), scene.b.accept(content=LARGE, external=True)
    scene.die()
    before = digests(scene.disk)
    report = scene.salvage()
    assert (report.messages, report.lost, report.damaged, report.problems) == (2, 0, 0, [])
    assert scene.a.store.content(small) == b"small"
    assert scene.a.bodies.read(large, 0, 1 << 20) == LARGE
    assert queued(scene.a) == {small, large}
    assert digests(scene.disk) == before
    check(scene.a)


def test_what_was_written_last_is_still_in_the_log(scene: Scene) -> None:
    scene.part()
    name = scene.b.accept()
    assert (scene.b.folder / "spool.db-wal").stat().st_size > 0
    scene.die()
    assert scene.salvage().messages == 1
    assert scene.a.store.holds(name)


def test_facts_of_the_dead_node_hold_and_its_open_attempts_are_in_doubt(scene: Scene) -> None:
    scene.part()
    done, open_ = scene.b.accept(), scene.b.accept()
    leases = scene.b.lease()
    scene.b.report([lease for lease in leases if lease.queue_id == done])
    scene.die()
    scene.salvage()
    assert results(scene.a, done) == [Result.DELIVERED]
    assert scene.a.store.messages.get(open_).state.recipients[0].doubts == 1
    assert queued(scene.a) == {open_}


def test_attempts_of_the_living_go_on(scene: Scene) -> None:
    scene.part()
    scene.b.accept()
    scene.die()
    mine = scene.a.accept()
    assert queued(scene.a) == {mine}
    scene.salvage()
    assert scene.a.store.messages.get(mine).state.recipients[0].leased


def test_nothing_that_is_here_is_overwritten(scene: Scene) -> None:
    name = scene.b.accept()
    scene.part()
    scene.die()
    scene.a.deliver()  # adopted, and delivered
    assert results(scene.a, name) == [Result.DELIVERED]
    before = scene.a.dump()
    report = scene.salvage()
    assert (report.messages, report.segments, report.merged) == (0, 0, 0)
    assert scene.a.dump() == before


def test_a_disk_salvaged_twice_gives_nothing_new(scene: Scene) -> None:
    scene.part()
    scene.b.accept()
    scene.die()
    assert scene.salvage().messages == 1
    before = scene.a.dump()
    assert scene.salvage() == SalvageReport(node=scene.b.store.node.hex())
    assert scene.a.dump() == before


def test_a_living_peer_gets_what_was_salvaged(scene: Scene) -> None:
    scene.part()
    scene.b.accept()
    scene.b.accept(content=LARGE, external=True)
    scene.die()
    new = scene.fresh()
    wire = Wire(scene.a, new)
    scene.salvage()
    wire.settle()
    assert new.dump() == scene.a.dump()
    assert len(new.dump()) > 2
    check(new)
    new.close()


def test_a_peers_own_mail_stays_its_own(scene: Scene) -> None:
    scene.part()
    taken = scene.b.accept()
    scene.die()
    new = scene.fresh()
    Wire(scene.a, new)
    theirs = new.accept()
    scene.salvage()
    assert owner(scene.a, taken) == scene.a.store.node
    assert owner(scene.a, theirs) == new.store.node
    new.close()


def test_the_engine_serves_between_two_steps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvaging, "BUDGET", 1)
    scene.part()
    for _ in range(5):
        scene.b.accept(content=LARGE, external=True)
    scene.die()
    wreck = Wreck(scene.disk, scene.folder / "scratch")
    scene.a.engine.submit(Salvage("salvage", wreck))
    scene.a.step()
    scene.a.engine.submit(
        Accept("new", scene.a.engine.new_queue_id(), b"\x90", (), 1, sha256(b"x").digest(), b"x")
    )
    turns = 0
    while "new" not in scene.a.done:
        scene.a.step()
        turns += 1
    assert turns < 3
    assert "salvage" not in scene.a.done
    scene.a.settle()
    assert "salvage" in scene.a.done


def test_pruned_messages_are_no_alarm(scene: Scene) -> None:
    scene.part()
    scene.b.pair_alone()
    gone = [scene.b.accept(), scene.b.accept(content=LARGE, external=True)]
    scene.b.deliver()
    scene.b.now += 1
    scene.b.submit(Sweep(0))
    kept = scene.b.accept()
    scene.die()
    report = scene.salvage()
    assert (report.messages, report.lost, scene.a.store.unapplied) == (1, 0, 0)
    assert scene.a.store.holds(kept)
    assert not any(scene.a.store.holds(name) for name in gone)


def test_a_new_machine_takes_over_a_disk_whose_journal_was_pruned(scene: Scene) -> None:
    shared = scene.a.accept("al@one.test", "bo@two.test")
    filed = scene.b.accept("bob@site.test")
    scene.b.deliver("bob")
    scene.part()
    done, open_ = scene.b.accept(), scene.b.accept(content=LARGE, external=True)
    leases = scene.b.lease()
    scene.b.report([lease for lease in leases if lease.queue_id == done])
    scene.b.db.execute("DELETE FROM journal WHERE lsn < (SELECT max(lsn) FROM journal)")
    scene.die()
    new = scene.fresh()
    report = scene.salvage(new)
    assert (report.messages, report.lost) == (4, 0)
    assert new.bodies.read(open_, 0, 1 << 20) == LARGE
    assert [results(new, name) for name in (filed, done)] == [[Result.DELIVERED]] * 2
    assert new.db.execute("SELECT mailbox FROM mailbox").get == "bob"
    # What a owned is not taken from it: it may be alive.
    assert owner(new, open_) == new.store.node
    assert owner(new, shared) == scene.a.store.node
    check(new)
    other = scene.fresh("d")
    Wire(new, other)
    assert other.dump() == new.dump()
    other.close()
    new.close()


def test_what_the_dead_node_had_adopted_is_taken_over_too(scene: Scene) -> None:
    name = scene.a.accept()
    scene.part()
    scene.b.now += 100_000
    scene.b.settle()
    scene.b.db.execute("DELETE FROM journal")
    scene.die()
    new = scene.fresh()
    scene.salvage(new)
    assert owner(new, name) == new.store.node
    new.close()


def test_a_living_peer_is_sent_a_snapshot_of_what_no_journal_has(scene: Scene) -> None:
    scene.part()
    scene.b.accept()
    scene.b.db.execute("DELETE FROM journal")
    scene.die()
    new = scene.fresh()
    wire = Wire(scene.a, new)
    scene.salvage()
    assert scene.a.resets
    wire.cut()
    Wire(scene.a, new)
    assert new.dump() == scene.a.dump()
    new.close()


@pytest.mark.parametrize("pruned", [False, True])
def test_due_times_of_a_node_never_met_can_be_read(scene: Scene, pruned: bool) -> None:
    scene.part()
    name = scene.b.accept()
    scene.b.now += 3_000_000
    scene.b.deliver()
    later = scene.b.accept()
    if pruned:
        scene.b.db.execute("DELETE FROM journal")
    scene.die()
    new = scene.fresh()
    scene.salvage(new)
    assert new.store.holds(name)
    new.submit(TakeOver("operator"))
    assert queued(new) == {later}
    new.close()


def test_a_snapshot_tells_clocks_before_messages(scene: Scene) -> None:
    scene.b.now += 3_000_000
    name = scene.b.accept()
    scene.part()
    scene.die()
    scene.a.db.execute("DELETE FROM journal")
    new = scene.fresh()  # it never meets b, whose running time is far ahead of its own
    Wire(scene.a, new)
    assert new.store.holds(name)
    wake = new.store.scheduler.next_wake()
    assert wake is not None
    assert wake <= new.store.running(new.now)
    new.close()
