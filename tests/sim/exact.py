"""Schedules to the single frame: two engines joined by hand, and what the link or a disk does.

Like `schedules`, they raise AssertionError when what they are about does not hold.
"""

from __future__ import annotations

from contextlib import suppress
from errno import EIO

import apsw

from appliance.mail.work import Result
from appliance.replica.pair import Mode, Timing
from appliance.spool.operations import HandOver, Sweep, Want
from appliance.spool.sizes import Sizes
from tests.sim.damage import DAMAGE
from tests.sim.joined import LARGE, duo, names, paired_is_whole
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.spool import check_spool


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
        with DiskVFS(f"exact{next(names)}") as vfs, Duo(vfs, seed) as two:
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
    *DAMAGE,
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
