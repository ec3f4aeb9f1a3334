"""What makes mail durable, taken away piece by piece: each time the checks must notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.spool.engine import Engine
from appliance.spool.store import Durable, Store
from tests.powercut.crash import Play, crash, steps
from tests.powercut.machine import USUAL, Build
from tests.powercut.scripts import one_node, traffic
from tests.support.disk_vfs import DiskVFS

ALONE = ("one",)


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    with DiskVFS("mutations") as registered:
        yield registered


def crashes(vfs: DiskVFS, play: Play, victim: int = 0) -> Iterator[str]:
    """The losses found by power cuts at many steps, with two seeds.

    A spool that lost something may raise anything; that the checks don't, the control shows.
    """
    for seed in range(2):
        try:
            total = steps(vfs, play, seed, victim)
        except Exception as loss:
            yield f"seed {seed}, without any crash: {loss}"
            return
        for start in range(3):
            for nth in range(1 + start, total + 1, 11):
                try:
                    crash(vfs, play, seed, victim, nth)
                except Exception as loss:
                    yield f"step {nth}, seed {seed}: {loss}"


def noticed(vfs: DiskVFS, build: Build) -> str | None:
    """The first loss that a spool built like this suffers."""
    return next(crashes(vfs, Play(one_node, ALONE, build)), None)


def test_as_it_is_built_nothing_is_noticed(vfs: DiskVFS) -> None:
    assert noticed(vfs, USUAL) is None
    assert noticed(vfs, Build(beside=True)) is None


@pytest.mark.parametrize("beside", [False, True], ids=["inline", "beside"])
@pytest.mark.parametrize(
    "op,path",
    [
        ("fsync", "spool.db-wal"),
        ("fsync", "spool.db"),
        ("fsync", "content/*"),
        ("fsync-directory", "content"),
        ("fsync-directory", ""),
    ],
)
def test_each_sync_is_needed(vfs: DiskVFS, op: str, path: str, beside: bool) -> None:
    build = Build(arm=lambda faults: faults.ignore(op, path), beside=beside)
    assert noticed(vfs, build) is not None


def test_synchronous_normal_is_not_enough(vfs: DiskVFS) -> None:
    assert noticed(vfs, Build(synchronous="NORMAL")) is not None


class NeverDurable(Store):
    """Commits records of bodies that it does not make durable."""

    def durable_first(self, body: Durable) -> None:
        """Forget it."""


class DurableAfterwards(Store):
    """Makes bodies durable when their records are committed."""

    def commit(self) -> None:
        """The wrong order."""
        bodies, self._bodies = self._bodies, []
        super().commit()
        for body in bodies:
            body.make_durable()


@pytest.mark.parametrize("store", [NeverDurable, DurableAfterwards])
def test_bodies_must_be_durable_before_their_records(vfs: DiskVFS, store: type[Store]) -> None:
    assert noticed(vfs, Build(store=store)) is not None


class Hasty(Engine):
    """Answers when the records are written, and commits then."""

    def turn(self, now: int) -> bool:
        """A turn whose answers don't wait."""
        changed = super().turn(now)
        self.effects.extend(self._answers)
        self._answers.clear()
        return changed


def test_nobody_may_be_answered_before_the_commit(vfs: DiskVFS) -> None:
    assert noticed(vfs, Build(engine=Hasty)) is not None


class SelfSufficient(Engine):
    """Answers when a record is durable here, though the pair is paired."""

    def committed(self, now: int) -> None:
        """A commit after which nobody waits for the peer."""
        super().committed(now)
        self.effects.extend(self._waiting.release(1 << 60, 1 << 60, False))


class Boastful(Engine):
    """Acknowledges to the peer what is not durable yet."""

    def turn(self, now: int) -> bool:
        """A turn that acknowledges at once."""
        changed = super().turn(now)
        if changed:
            self.durable = self.store.journal.marks()
            self.keep_alive(now)
        return changed


@pytest.mark.parametrize("engine", [SelfSufficient, Boastful])
def test_a_pair_answers_when_both_hold_it(vfs: DiskVFS, engine: type[Engine]) -> None:
    play = Play(traffic, ("one", "two"), Build(engine=engine))
    assert next(crashes(vfs, play, 1), None) is not None
