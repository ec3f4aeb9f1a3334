"""A spool is copied beside its writer, and a new node made of the copy: all there, all held."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from appliance.mail.reply import Reply
from appliance.mail.work import Lease, Outcome, RecipientOutcome
from appliance.mail.work import Result as Told
from appliance.replica.frames import Batch, Frame, SnapshotEnd, SnapshotPart, decode, encode
from appliance.spool.bodies import Bodies
from appliance.spool.copying import Copying, Moved
from appliance.spool.files import PosixFiles
from appliance.spool.operations import ChangeSite, Command, PutRegisters, Report, Sweep
from appliance.spool.restoring import Inconsistent, Restorer, RestoreReport
from appliance.spool.schema import open_writer
from appliance.spool.sizes import Sizes
from appliance.spool.store import Store
from tests.support.restored import check_same
from tests.support.spool import check_derived, check_journal
from tests.unit.spool_reader.nodes import Node, Wire

SMALL = Sizes(part=40)
LARGE = bytes(range(256)) * 2000


@dataclass
class Restored:
    store: Store
    bodies: Bodies
    report: RestoreReport
    folder: Path


def restore(folder: Path, frames: Sequence[Frame]) -> Restored:
    content = folder / "content"
    content.mkdir(parents=True)
    db = open_writer(str(folder / "spool.db"), exclusive=True)
    db.pragma("synchronous", "OFF")
    store, bodies = Store(db, b"node-new", b"n" * 16, 7), Bodies(PosixFiles(str(content)))
    restorer = Restorer(store, bodies, store.running(7))
    report = restorer.restore(iter([decode(encode(one)) for one in frames]), lambda done: None)
    check_journal(store)
    entries = list(store.messages.after(0, 10_000))
    check_derived(store, entries)
    return Restored(store, bodies, report, folder)


def copied(node: Node, sizes: Sizes = SMALL) -> list[Frame]:
    copying = Copying(node.folder, sizes)
    try:
        return list(copying.frames())
    finally:
        copying.close()


def end(node: Node, leases: Sequence[Lease], result: Told, mailbox: str | None = None) -> None:
    reply = Reply(250 if result is Told.DELIVERED else 450, "2.0.0", "said")
    node.submit(
        Report(
            object(),
            [
                Outcome(
                    lease.attempt,
                    lease.queue_id,
                    tuple(
                        [
                            RecipientOutcome(
                                one.index,
                                result,
                                reply,
                                mailbox=mailbox,
                                retry_in=5,
                            )
                            for one in lease.recipients
                        ]
                    ),
                )
                for lease in leases
            ],
        )
    )


def everything(node: Node) -> None:
    """Messages in every state, large ones, the site."""
    node.submit(ChangeSite("v1", b"{}", b"", "root", 1, while_alone=True))
    node.submit(PutRegisters("r1", [("credentials", "al", b"verifier")], while_alone=True))
    node.submit(PutRegisters("r2", [("credentials", "gone", None)], while_alone=True))
    for number in range(4):
        node.accept(f"m{number}@box.test", content=b"filed %d" % number, external=False)
    end(node, node.lease(), Told.DELIVERED, "al")
    node.accept("x@done.test", content=b"done")
    end(node, node.lease(), Told.DELIVERED)
    node.accept("x@later.test", "y@other.test", content=LARGE, external=True)
    end(node, node.lease()[:1], Told.DEFERRED)
    held = node.accept("x@held.test")
    node.submit(Command("hold", "hold", held))
    node.accept("x@open.test")
    node.now += 3
    node.lease()
    node.accept("x@waits.test", content=b"waits")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path / "a", "a", 1, alone=True, keep=10_000)
    yield one
    one.close()


def test_all_that_a_spool_holds_is_in_its_copy_and_held_when_restored(
    node: Node, tmp_path: Path
) -> None:
    everything(node)
    restored = restore(tmp_path / "new", copied(node))
    check_same(node, restored, restored.report)
    boxes = list(restored.store.connection.execute("SELECT mailbox, count(*) FROM mailbox"))
    assert boxes == [("al", 4)]


def test_a_restored_node_sends_nothing_until_it_is_released(node: Node, tmp_path: Path) -> None:
    everything(node)
    restored = restore(tmp_path / "new", copied(node))
    restored.store.connection.close()
    again = Node(restored.folder, "node-new", 9, alone=True)
    again.now = 1 << 40
    assert again.lease() == []
    for entry in list(again.store.messages.after(0, 1000)):
        again.submit(Command(entry.queue_id, "release", entry.queue_id))
    domains = {r.address.split("@")[1] for lease in again.lease() for r in lease.recipients}
    assert domains == {"later.test", "other.test", "held.test", "open.test", "waits.test"}
    again.close()


@pytest.mark.parametrize("delivered", [True, False])
def test_a_restored_node_may_meet_the_other_one_of_the_old_pair(
    tmp_path: Path, delivered: bool
) -> None:
    """What the living one did since counts; both agree in the end, and nothing is sent twice."""
    a, b = Node(tmp_path / "a", "a", 1), Node(tmp_path / "b", "b", 1, now=500)
    wire = Wire(a, b)
    names = {a.accept("x@one.test"), b.accept("y@two.test")}
    frames = copied(a)
    wire.cut()
    a.close()
    b.now += 120_000
    b.settle()
    assert {str(lease.queue_id) for lease in b.lease()} == names
    if delivered:
        b.deliver()
    restored = restore(tmp_path / "new", frames)
    restored.store.connection.close()
    new = Node(restored.folder, "node-new", 9)
    wire = Wire(b, new)
    wire.wait(1_000_000)
    assert (b.resets, new.resets) == ([], [])
    assert b.dump() == new.dump()
    for name in names:
        for node in (b, new):
            node.submit(Command((name, node), "release", name))
    sent = [str(lease.queue_id) for node in (b, new) for lease in node.lease()]
    assert sorted(sent) == ([] if delivered else sorted(names))
    for node in (b, new):
        node.close()


def test_what_is_written_meanwhile_is_in_the_copy_too(node: Node, tmp_path: Path) -> None:
    """The copy is the state of the end, whatever the writer does between two of its frames."""
    for seed in range(12):
        chance = random.Random(seed)
        everything(node)
        copying, frames = Copying(node.folder, SMALL), list[Frame]()
        for frame in copying.frames():
            frames.append(frame)
            if isinstance(frame, SnapshotEnd):
                break
            match chance.randrange(5):
                case 0 if len(frames) < 60:
                    node.accept(
                        "x@new.test", content=b"%d" % len(frames), external=chance.random() < 0.2
                    )
                case 1 if len(frames) < 60:
                    leases = node.lease()
                    end(node, leases, chance.choice([Told.DELIVERED, Told.DEFERRED]), None)
                    node.now += 4
                case 2 if len(frames) < 60:
                    node.submit(PutRegisters(object(), [("t", "k", b"%d" % len(frames))], True))
                case 3:
                    node.submit(Sweep(0))  # prunes what has ended
        copying.close()
        assert any(isinstance(one, Batch) for one in frames)
        restored = restore(tmp_path / f"new {seed}", frames)
        check_same(node, restored, restored.report)


def test_no_read_transaction_lasts_from_frame_to_frame(node: Node) -> None:
    everything(node)
    copying = Copying(node.folder, SMALL)
    for number, _ in enumerate(copying.frames()):
        if number < 20:
            node.accept("x@new.test")
        node.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)  # raises if anybody reads
    copying.close()


def test_a_journal_that_moved_on_by_other_ways_is_noticed(node: Node) -> None:
    everything(node)
    copying = Copying(node.folder, SMALL)
    frames = copying.frames()
    next(frames)
    node.accept("x@new.test")
    node.accept("x@new.test")
    node.db.execute("DELETE FROM journal WHERE lsn=(SELECT max(lsn) - 1 FROM journal)")
    with pytest.raises(Moved):
        list(frames)
    copying.close()


def test_messages_that_came_by_a_snapshot_are_noticed(node: Node) -> None:
    everything(node)
    copying = Copying(node.folder, SMALL)
    frames = copying.frames()
    next(frames)
    node.db.execute("UPDATE incarnation SET seq = seq + 5")
    with pytest.raises(Moved):
        list(frames)
    copying.close()


def test_content_that_is_damaged_costs_its_message_only(node: Node, tmp_path: Path) -> None:
    small, large = node.accept("a@x.test"), node.accept(content=LARGE, external=True)
    whole = node.accept("b@x.test", content=b"whole")
    node.db.execute("UPDATE content SET body=x'00' WHERE body=?", (b"content",))
    (node.content / large).write_bytes(LARGE[:-1])
    copying = Copying(node.folder, SMALL)
    frames = list(copying.frames())
    assert copying.damaged == 2
    copying.close()
    restored = restore(tmp_path / "new", frames)
    assert (restored.report.messages, restored.report.lost) == (1, 2)
    assert restored.store.content(whole) == b"whole"
    assert restored.store.damaged() == {small, large}


def test_frames_that_end_early_are_no_spool(node: Node, tmp_path: Path) -> None:
    everything(node)
    frames = copied(node)
    with pytest.raises(Inconsistent):
        restore(tmp_path / "cut", frames[:-1])
    parts = [one for one in frames if not isinstance(one, SnapshotPart)]
    assert restore(tmp_path / "empty", parts).report.messages == 0
    with pytest.raises(Inconsistent):
        restore(tmp_path / "headless", frames[1:])
