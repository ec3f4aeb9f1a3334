"""Taking over a dead node's disk, whole, pruned, damaged, or the wrong one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import apsw
import pytest
from msgspec.structs import replace

from appliance.mail.reply import Refused
from appliance.replica.record import Result, decode, encode
from appliance.spool import salvage as salvaging
from appliance.spool.files import PosixFiles
from appliance.spool.operations import Accept, Salvage, Sweep, TakeOver
from appliance.spool.salvage import SalvageReport
from appliance.spool.wreck import Wreck
from tests.support.spool import check_derived, check_journal
from tests.unit.spool_reader.nodes import Node, Wire

LARGE = bytes(range(256)) * 20


def digests(folder: Path) -> dict[str, bytes]:
    """What is on a disk, byte for byte."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


class Scene:
    """Nodes a and b were paired; b went on alone, then died. Its disk is `disk`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.a = Node(folder / "a", "a", 1)
        self.b = Node(folder / "b", "b", 1, now=700_000)
        self.wire = Wire(self.a, self.b)

    def part(self) -> None:
        """The link is cut; both notice."""
        self.wire.cut()
        for node in (self.a, self.b):
            node.now += 20_000
            node.settle()

    def die(self, closed: bool = False) -> None:
        """b dies; a adopts what it knows of."""
        if closed:
            self.b.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        shutil.copytree(self.b.folder, self.disk / "spool")
        (self.disk / "spool" / "spool.db-shm").unlink(missing_ok=True)
        self.b.close()
        self.a.now += 100_000
        self.a.settle()

    def salvage(self, node: Node | None = None) -> SalvageReport:
        node = node or self.a
        wreck = Wreck(self.disk, self.folder / f"scratch {node.folder.name}")
        node.submit(Salvage("salvage", wreck))
        assert not (self.folder / f"scratch {node.folder.name}").exists()
        report = node.done["salvage"]
        assert isinstance(report, SalvageReport)
        return report

    def fresh(self, name: str = "c", keep: int = 99) -> Node:
        """A node that knows nothing."""
        return Node(self.folder / name, name, 1, now=5, keep=keep)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.a.close()


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


def queued(node: Node) -> set[str]:
    return {str(lease.queue_id) for lease in node.lease()}


# A whole disk.


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


# A journal with a gap.


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


# A damaged disk.


def test_a_damaged_segment_is_passed_over_and_its_messages_are_merged(scene: Scene) -> None:
    scene.part()
    names = [scene.b.accept() for _ in range(4)]
    lsn = scene.b.db.execute("SELECT max(lsn)-2 FROM journal").get
    scene.b.db.execute("UPDATE journal SET segment=zeroblob(length(segment)) WHERE lsn=?", (lsn,))
    scene.die()
    report = scene.salvage()
    assert report.damaged >= 1
    assert report.problems
    assert all(scene.a.store.holds(name) for name in names)
    assert queued(scene.a) == set(names)


def test_a_segment_with_another_hash_is_damaged_though_it_reads_well(scene: Scene) -> None:
    scene.part()
    name = scene.b.accept()
    lsn, data = scene.b.db.execute(
        "SELECT lsn, segment FROM journal ORDER BY lsn DESC LIMIT 1"
    ).fetchall()[0]
    assert isinstance(data, bytes)
    altered = encode(replace(decode(data), at=1))
    scene.b.db.execute("UPDATE journal SET segment=? WHERE lsn=?", (altered, lsn))
    scene.die()
    report = scene.salvage()
    assert (report.damaged, report.segments) == (1, 0)
    assert queued(scene.a) == {name}


@pytest.mark.parametrize("damaged", [None, LARGE[:-1], LARGE[:-1] + b"?"])
@pytest.mark.parametrize("pruned", [False, True])
def test_lost_content_is_told_and_holds_up_nothing(
    scene: Scene, damaged: bytes | None, pruned: bool
) -> None:
    scene.part()
    external = damaged is not None
    lost, other = scene.b.accept(content=LARGE, external=external), scene.b.accept()
    if damaged is not None:
        (scene.b.content / lost).write_bytes(damaged)
    else:
        scene.b.db.execute("UPDATE content SET body=zeroblob(9) WHERE length(body)>100")
    if pruned:
        scene.b.db.execute("DELETE FROM journal")
    scene.die()
    report = scene.salvage()
    assert (report.lost, report.messages) == (1, 1)
    assert lost in report.problems[0]
    assert scene.a.store.unapplied == 1
    assert not scene.a.store.holds(lost)
    assert queued(scene.a) == {other}


def test_damaged_pages_cost_what_was_on_them_and_nothing_else(scene: Scene) -> None:
    scene.part()
    names = [scene.b.accept(content=b"x" * 3000) for _ in range(60)]
    scene.die(closed=True)
    database = scene.disk / "spool" / "spool.db"
    probe = apsw.Connection(str(database))
    tables = {
        page: name
        for name in ("journal", "message", "content")
        for (page,) in probe.execute(
            "SELECT pageno FROM dbstat WHERE name=? AND pagetype='leaf'", (name,)
        )
    }
    size = probe.pragma("page_size")
    probe.close()
    assert isinstance(size, int)
    hit = [page for page in sorted(tables) if tables[page] != "content"][3::7]
    garbage = Random(1)
    with open(database, "r+b") as file:
        for page in hit:
            file.seek((page - 1) * size)
            file.write(garbage.randbytes(size))
    report = scene.salvage()
    held = [name for name in names if scene.a.store.holds(name)]
    assert report.damaged > 0
    assert len(held) >= 40
    assert set(held) <= queued(scene.a)
    assert all(scene.a.store.content(name) == b"x" * 3000 for name in held)


def test_bytes_that_are_no_message_are_passed_over(scene: Scene) -> None:
    scene.part()
    name, other = scene.b.accept(), scene.b.accept()
    key = scene.b.db.execute("SELECT max(key)-1 FROM message").get
    scene.b.db.execute("UPDATE message SET state=x'c1' WHERE key=?", (key,))
    scene.b.db.execute("DELETE FROM journal")
    scene.die()
    report = scene.salvage()
    assert report.damaged == 1
    assert scene.a.store.holds(other)
    assert not scene.a.store.holds(name)


# What is no disk to salvage.


def test_a_folder_without_a_spool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no spool\.db"):
        Wreck(tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_file_that_is_no_spool_is_refused_and_leaves_no_copy(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "spool.db").write_bytes(content)
    with pytest.raises(Refused) as refused:
        Wreck(tmp_path, tmp_path / "scratch")
    assert refused.value.hint
    assert not (tmp_path / "scratch").exists()


def test_the_disk_of_a_connected_peer_is_refused(scene: Scene) -> None:
    shutil.copytree(scene.b.folder, scene.disk / "spool")
    wreck = Wreck(scene.disk, scene.folder / "scratch")
    scene.a.submit(Salvage("salvage", wreck))
    assert isinstance(scene.a.failed["salvage"], Refused)
    assert not (scene.folder / "scratch").exists()
    scene.b.close()


def test_one_disk_at_a_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvaging, "BUDGET", 1)
    scene.part()
    scene.b.accept()
    scene.die()
    first, second = (Wreck(scene.disk, scene.folder / name) for name in ("first", "second"))
    scene.a.engine.submit(Salvage("first", first))
    scene.a.step()
    scene.a.engine.submit(Salvage("second", second))
    scene.a.settle()
    assert isinstance(scene.a.failed["second"], Refused)
    assert "first" in scene.a.done
    assert not (scene.folder / "second").exists()


def test_a_disk_that_takes_no_more_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.part()
    scene.b.accept(content=LARGE, external=True)
    scene.die()

    def full(*arguments: object) -> None:
        raise OSError(28, "no space left")

    wreck = Wreck(scene.disk, scene.folder / "scratch")
    with monkeypatch.context() as patched:
        patched.setattr(PosixFiles, "write", full)
        scene.a.submit(Salvage("salvage", wreck))
    assert isinstance(scene.a.failed["salvage"], Refused)
    assert scene.salvage().messages == 1


def test_a_better_image_fills_in_what_the_first_one_lacked(scene: Scene) -> None:
    scene.part()
    small, large = scene.b.accept(), scene.b.accept(content=LARGE, external=True)
    row = scene.b.accept()
    whole = scene.folder / "whole"
    shutil.copytree(scene.b.folder, whole)
    scene.b.db.execute("DELETE FROM journal")
    scene.b.db.execute("UPDATE content SET body=x''")
    scene.b.db.execute("UPDATE message SET state=x'c1' WHERE key=(SELECT max(key) FROM message)")
    (scene.b.content / large).unlink()
    scene.die()
    first = scene.salvage()
    assert (first.messages, first.lost, first.damaged) == (0, 2, 1)
    assert scene.a.store.unapplied == 2
    shutil.rmtree(scene.disk)
    shutil.copytree(whole, scene.disk)
    assert scene.salvage().messages == 3
    assert scene.a.store.unapplied == 0
    assert queued(scene.a) == {small, large, row}
