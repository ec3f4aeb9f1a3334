"""Schedules to the single frame: two engines joined by hand, and what the link or a disk does.

Like `schedules`, they raise AssertionError when what they are about does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from itertools import count

import apsw
from msgspec.structs import replace

from appliance.mail.work import Result
from appliance.replica.frames import Batch, BodyChunk, Frame, SnapshotPart
from appliance.replica.pair import Mode, Timing
from appliance.spool.messages import key_of
from appliance.spool.operations import HandOver, Sweep, Want
from appliance.spool.sizes import Sizes
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.spool import check_spool

LARGE = b"large " * 100
_names = count(1)


@contextmanager
def duo(sizes: Sizes | None = None, timing: Timing | None = None) -> Iterator[Duo]:
    """Two nodes that are paired."""
    with (
        DiskVFS(f"exact{next(_names)}") as vfs,
        Duo(vfs, sizes=sizes or Sizes(), timing=timing) as two,
    ):
        two.start()
        yield two


def paired_is_whole(two: Duo) -> None:
    """Nodes that say they are paired hold the same, and hold what they say."""
    for station in (two.a, two.b):
        if station.engine.pair.mode is Mode.PAIRED:
            assert two.same(), "paired, and not the same"
        check_spool(station.store, station.bodies)


def accepted_waits_for_the_peer() -> None:
    """The link loses every frame, and nobody has noticed yet."""
    with duo() as two:
        two.tamper = lambda frame: None
        token, _ = two.accept(two.a, b"one", "al@one.test")
        assert two.a.engine.pair.mode is Mode.PAIRED
        assert token not in two.a.answers, "250 in paired, on one disk"


def lease_waits_for_the_peer() -> None:
    """Delivered, and the machine burns before the other node has heard of the attempt."""
    with duo() as two:
        two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        two.tamper = lambda frame: None
        assert not two.lease(two.a), "leased in paired, and the peer does not know"


def damaged_content() -> None:
    """Bits of a message flip on the way."""

    def flip(frame: Frame) -> Frame:
        if isinstance(frame, Batch) and frame.contents:
            return replace(frame, contents=dict.fromkeys(frame.contents, b"ONE"))
        return frame

    _damaged(b"one", flip)


def damaged_body() -> None:
    """Bits of a large body flip on the way."""

    def flip(frame: Frame) -> Frame:
        return replace(frame, data=frame.data[::-1]) if isinstance(frame, BodyChunk) else frame

    _damaged(LARGE, flip)


def lost_body() -> None:
    """A large body does not come before its record."""
    _damaged(LARGE, lambda frame: None if isinstance(frame, BodyChunk) else frame)


def _damaged(content: bytes, tamper: Callable[[Frame], Frame | None]) -> None:
    with duo() as two:
        two.tamper = tamper
        _, queue_id = two.accept(two.a, content, "al@one.test")
        two.wait(2_000)
        paired_is_whole(two)
        two.tamper = lambda frame: frame
        two.wait(5_000)
        assert two.b.content(queue_id) == content
        paired_is_whole(two)


def rotten_on_disk(content: bytes, rot: Callable[[Duo, str], None], keep: int = 1000) -> None:
    """A node is away; what waits for it rots on the other's disk. The rest must not wait for it."""
    with duo(Sizes(keep=keep)) as two:
        two.b.kill()
        two.disconnect()
        two.wait(3_000)
        _, rotten = two.accept(two.a, content, "al@one.test")
        _, sound = two.accept(two.a, b"sound", "bo@two.test")
        rot(two, rotten)
        if keep == 1:
            two.b.restore({})
        two.b.start(two.now)
        two.connect()
        two.wait(5_000)
        assert two.b.engine.pair.mode is Mode.PAIRED, "one message holds up all others"
        assert two.b.content(sound) == b"sound"
        assert not two.b.store.holds(rotten)
        assert two.b.store.unapplied == 1, "nobody is told"
        _, later = two.accept(two.a, b"later", "bo@two.test")
        assert two.b.content(later) == b"later"


def _rot_row(two: Duo, queue_id: str) -> None:
    store = two.a.store
    store.connection.execute(
        "UPDATE content SET body=? WHERE key=?", (b"rot", key_of(queue_id, store.journal))
    )


def _rot_file(two: Duo, queue_id: str) -> None:
    two.a.disk.flip_bit(f"content/{queue_id}", 7)


def _lose_file(two: Duo, queue_id: str) -> None:
    two.a.disk.mount.unlink(f"content/{queue_id}")


def rotten_row() -> None:
    """Content in the database is not what was accepted."""
    rotten_on_disk(b"one", _rot_row)


def rotten_body() -> None:
    """A large body is not what was accepted."""
    rotten_on_disk(LARGE, _rot_file)


def vanished_body() -> None:
    """The file of a large body is gone."""
    rotten_on_disk(LARGE, _lose_file)


def rotten_row_in_a_snapshot() -> None:
    """The peer's disk is new, and content is not what was accepted."""
    rotten_on_disk(b"one", _rot_row, keep=1)


def rotten_body_in_a_snapshot() -> None:
    """The peer's disk is new, and a large body is not what was accepted."""
    rotten_on_disk(LARGE, _rot_file, keep=1)


def damaged_snapshot() -> None:
    """Bits of a message flip on the way to a node whose disk is new."""

    def flip(frame: Frame) -> Frame:
        if isinstance(frame, SnapshotPart):
            copies = tuple(replace(copy, content=b"ONE") for copy in frame.copies)
            return replace(frame, copies=copies)
        return frame

    with duo(Sizes(keep=1)) as two:
        for _ in range(5):
            two.accept(two.a, b"one", "al@one.test")
        two.b.restore({})
        two.disconnect()
        two.b.start(two.now)
        two.tamper = flip
        two.connect()
        two.wait(3_000)
        paired_is_whole(two)
        two.tamper = lambda frame: frame
        two.wait(5_000)
        assert two.b.engine.pair.mode is Mode.PAIRED
        paired_is_whole(two)


def numbers_used_twice() -> None:
    """A machine is resumed from an older image of its memory, and goes on as it was then."""
    with duo() as two:
        image = two.a.disk.snapshot()
        two.disconnect()
        two.a.kill()
        lives = b"the same life".ljust(16)
        two.a.start(two.now, incarnation=lives)
        two.connect()
        two.accept(two.a, b"before", "al@one.test")
        two.disconnect()
        two.a.restore(image)
        two.a.start(two.now, incarnation=lives)
        two.accept(two.a, b"after!", "bo@two.test")
        two.a.kill()
        two.a.start(two.now)
        two.connect()
        two.wait(5_000)
        paired_is_whole(two)
        assert any(station.engine.replication.diverged for station in (two.a, two.b))


def rotten_segment() -> None:
    """A bit of the journal rots on the disk before the peer has got it."""
    with duo() as two:
        two.disconnect()
        for recipient in ("al@one.test", "bo@two.test"):
            two.accept(two.a, b"one", recipient)
        journal = two.a.store.connection
        ((lsn, segment),) = journal.execute(
            "SELECT lsn, segment FROM journal WHERE instr(segment, CAST('al@one' AS BLOB))"
        )
        assert isinstance(segment, bytes)
        rotten = segment.replace(b"al@one", b"al@oNe")
        journal.execute("UPDATE journal SET segment=? WHERE lsn=?", (rotten, lsn))
        two.connect()
        two.wait(5_000)
        if two.a.engine.pair.mode is Mode.PAIRED:
            assert two.same(), "paired, and not the same"
        assert any(station.engine.replication.diverged for station in (two.a, two.b))


def presented_after_all_was_over() -> None:
    """A lease was written off by the other node while this one's spool was away."""
    with duo(timing=Timing(adopt_delay=20_000)) as two:
        two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        (lease,) = two.lease(two.a)
        two.disconnect()
        two.a.kill()
        two.wait(30_000)
        two.a.start(two.now)
        two.connect()
        two.wait(5_000)
        told = two.a.answers[two.present(two.a, lease)]
        assert told == {lease.attempt}, "delivery may go on with what was written off"


def reported_twice() -> None:
    """Delivery repeats an outcome whose answer it did not hear."""
    with duo() as two:
        two.accept(two.a, b"one", "never@one.test")
        two.present(two.a)
        (lease,) = two.lease(two.a)
        for _ in range(2):
            token = two.report(two.a, lease, Result.BOUNCED, dsn=b"sorry")
            assert token in two.a.answers, "a repeated report is never answered"
        messages = list(two.a.store.messages.after(0, 100))
        assert len(messages) == 2, "more than one DSN for one bounce"


def hello_behind_chunks() -> None:
    """A body of many chunks comes before the hello is taken in."""
    with duo(Sizes(chunk=4)) as two:
        two.disconnect()
        _, queue_id = two.accept(two.a, LARGE, "al@one.test")
        two.connect()
        two.wait(2_000)
        assert not two.b.resets
        assert two.b.content(queue_id) == LARGE


def lease_given_back_by_the_peer() -> None:
    """The peer got a lease with which this node's last commit was lost."""
    with duo() as two:
        _, queue_id = two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        two.a.engine.submit(Want("lost", 10))
        assert two.a.engine.turn(two.now)
        two.carry(two.a, two.b)
        two.step(two.b, two.a)
        two.disconnect()
        two.a.kill()
        two.a.start(two.now)
        two.present(two.a)
        two.connect()
        two.wait(5_000)
        leased = [lease.queue_id for lease in two.lease(two.a)]
        assert leased == [queue_id], "nobody works on it, and nobody may"


def log_of_a_former_owner() -> None:
    """An attempt of the former owner is deferred while the owner's hold is under way."""
    with duo(timing=Timing(adopt_delay=20_000)) as two:
        for former, owner in ((two.a, two.b), (two.b, two.a)):
            _, queue_id = two.accept(former, b"one", "al@one.test")
            two.present(former)
            (lease,) = two.lease(former)
            two.disconnect()
            two.wait(30_000)
            two.connect()
            two.wait(5_000)
            two.late = []
            two.command(owner, "hold", queue_id)
            two.report(former, lease, Result.DEFERRED)
            two.arrive()
            for station in (former, owner):
                assert station.entry(queue_id).state.recipients[0].log.held
            two.command(owner, "remove", queue_id)


def committed_behind_a_failed_sync() -> None:
    """One sync of the WAL fails; the spool starts again, accepts, and then the power fails."""
    for seed in range(5):
        with DiskVFS(f"exact{next(_names)}") as vfs, Duo(vfs, seed) as two:
            node = two.a
            node.start(two.now, alone=True, checkpoint=1_000)
            node.disk.faults.fail_at("fsync", "spool.db-wal", EIO)
            with suppress(apsw.IOError):
                two.accept(node, b"not answered", "al@one.test")
            node.kill()
            node.start(two.now, alone=True, checkpoint=1_000)
            token, queue_id = two.accept(node, b"answered", "al@one.test")
            assert token in node.answers
            node.power_cut()
            node.start(two.now, alone=True)
            assert node.store.holds(queue_id), "lost though it was answered"
            check_spool(node.store, node.bodies)


def replaced_after_a_hand_over() -> None:
    """What was handed over to a node must be adopted from it when it is replaced."""
    with duo() as two:
        two.accept(two.a, b"one", "al@one.test")
        assert two.hand_over(two.a) in two.a.answers
        two.disconnect()
        two.b.restore({})
        two.b.node = b"another-"
        two.b.start(two.now)
        two.connect()
        two.wait(5_000)
        two.present(two.a)
        assert two.lease(two.a), "nobody owns it"


def deferral_told_by_a_snapshot() -> None:
    """A disk is restored to a moment at which an attempt was open that has ended since."""
    with duo(Sizes(keep=1)) as two:
        _, queue_id = two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        (lease,) = two.lease(two.a)
        image = two.b.disk.snapshot()
        two.report(two.a, lease, Result.DEFERRED)
        for _ in range(5):
            two.accept(two.a, b"more", "bo@two.test")
        two.disconnect()
        two.b.restore(image)
        two.b.start(two.now)
        assert two.b.entry(queue_id).state.recipients[0].leased
        two.connect()
        two.wait(5_000)
        paired_is_whole(two)
        assert not two.b.entry(queue_id).state.recipients[0].leased


def handed_over_with_nothing_under_way() -> None:
    """An operator hands over while an attempt is being made, and cuts the power when told so."""
    with duo(timing=Timing(adopt_delay=20_000)) as two:
        _, queue_id = two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        (lease,) = two.lease(two.a)
        token = two.ask(two.a, lambda token: HandOver(token, 5_000))
        if token not in two.a.answers:
            two.report(two.a, lease)
        assert token in two.a.answers
        two.disconnect()
        two.a.power_cut()
        two.wait(30_000)
        assert two.b.entry(queue_id).state.recipients[0].doubts == 0


def forgotten_only_when_the_peer_knows() -> None:
    """A message ends while the other node, which has it queued, is out of reach."""
    with duo() as two:
        _, queue_id = two.accept(two.a, b"one", "al@one.test")
        two.present(two.a)
        (lease,) = two.lease(two.a)
        two.disconnect()
        two.wait(3_000)
        two.report(two.a, lease)
        two.wait(3_000)
        two.ask(two.a, lambda token: Sweep(0))
        assert two.a.store.holds(queue_id), "forgotten, and the other node has it queued"
        two.connect()
        two.wait(3_000)
        two.ask(two.a, lambda token: Sweep(0))
        for station in (two.a, two.b):
            assert not station.store.holds(queue_id)


EXACT = (
    accepted_waits_for_the_peer,
    lease_waits_for_the_peer,
    damaged_content,
    damaged_body,
    lost_body,
    damaged_snapshot,
    rotten_row,
    rotten_body,
    vanished_body,
    rotten_row_in_a_snapshot,
    rotten_body_in_a_snapshot,
    numbers_used_twice,
    rotten_segment,
    presented_after_all_was_over,
    reported_twice,
    hello_behind_chunks,
    lease_given_back_by_the_peer,
    log_of_a_former_owner,
    committed_behind_a_failed_sync,
    replaced_after_a_hand_over,
    deferral_told_by_a_snapshot,
    handed_over_with_nothing_under_way,
    forgotten_only_when_the_peer_knows,
)
