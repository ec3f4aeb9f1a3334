"""While a release is on trial its data may go back: only what the peer has is promised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.replica.pair import Mode
from appliance.spool.operations import Want
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import INLINE, Duo


@pytest.fixture
def pair() -> Iterator[Duo]:
    with DiskVFS() as vfs, Duo(vfs) as two:
        two.start()
        yield two


def begin_trial(two: Duo) -> None:
    """Node b starts anew, on trial."""
    two.disconnect()
    two.b.kill()
    two.b.start(two.now)
    two.b.engine.on_trial = True


def meet(two: Duo) -> None:
    two.connect()
    two.wait(3_000)
    assert two.a.engine.pair.mode is two.b.engine.pair.mode is Mode.PAIRED


def test_nothing_is_answered_before_the_peer_has_it(pair: Duo) -> None:
    begin_trial(pair)
    assert pair.b.engine.pair.mode is Mode.SOLO
    token, _ = pair.accept(pair.b, b"mail", "al@one.test")
    assert token not in pair.b.answers
    meet(pair)
    assert token in pair.b.answers


def test_nothing_is_attempted_that_the_peer_does_not_know_of(pair: Duo) -> None:
    begin_trial(pair)
    pair.accept(pair.b, b"mail", "al@one.test")
    pair.present(pair.b)
    pair.b.engine.submit(Want("want", 10))
    pair.settle()
    assert "want" not in pair.b.answers
    meet(pair)
    assert pair.b.answers["want"]


def test_what_was_answered_is_there_when_the_data_goes_back(pair: Duo) -> None:
    _, first = pair.accept(pair.b, b"before", "al@one.test")
    before = pair.b.disk.snapshot()
    begin_trial(pair)
    meet(pair)
    large = b"in the trial" * INLINE
    token, second = pair.accept(pair.b, large, "al@one.test")
    assert token in pair.b.answers
    pair.disconnect()
    pair.b.restore(before)
    pair.b.start(pair.now)
    meet(pair)
    assert pair.same()
    assert pair.b.content(first) == b"before"
    assert pair.b.content(second) == large


def test_bodies_stay_until_the_release_does(pair: Duo) -> None:
    """Else they would be missing where the data goes back to when they were needed."""
    begin_trial(pair)
    store, name = pair.b.store, "0" * 14
    pair.b.disk.mount.sync_directory("content")
    body = pair.b.bodies.create(name)
    body.write(b"x")
    body.make_durable()
    store.pruning.dropped.append(name)
    meet(pair)
    pair.accept(pair.b, b"another turn", "al@one.test")
    assert pair.b.bodies.durable(name)
    pair.b.engine.end_trial(pair.now)
    pair.accept(pair.b, b"another turn", "al@one.test")
    assert not pair.b.bodies.durable(name)


def test_when_the_release_stays_what_waited_is_answered(pair: Duo) -> None:
    begin_trial(pair)
    token, _ = pair.accept(pair.b, b"mail", "al@one.test")
    assert token not in pair.b.answers
    pair.b.engine.end_trial(pair.now)
    pair.settle()
    assert token in pair.b.answers
