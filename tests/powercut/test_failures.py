"""Calls to the disk that fail: nothing is answered that rests on them, and a new start goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EIO, ENOSPC
from itertools import product

import apsw
import pytest

from tests.powercut.crash import Play, Stage
from tests.powercut.machine import Build
from tests.powercut.scripts import LARGE, claims, one_node, traffic
from tests.powercut.site import Down, Site
from tests.support.disk_faults import Step
from tests.support.disk_vfs import DiskVFS

EVERY = "POWERCUT_SEEDS" in os.environ
PAIR = ("one", "two")
CONTENT = "content/*"


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    with DiskVFS("failures") as registered:
        yield registered


def nothing(site: Site) -> None:
    """A script for a stage that a test plays on itself."""


@pytest.mark.parametrize(
    "op,path,error,written",
    [
        ("fsync", "spool.db-wal", EIO, 0),
        ("fsync", CONTENT, EIO, 0),
        ("fsync-directory", "content", EIO, 0),
        ("rename", CONTENT, EIO, 0),
        ("write", "spool.db-wal", ENOSPC, 0),
        ("write", "spool.db-wal", EIO, 100),
    ],
)
def test_a_commit_that_fails_answers_nobody(
    vfs: DiskVFS, op: str, path: str, error: int, written: int
) -> None:
    # Without checkpoints, what a failed sync lost stays in the middle of the WAL.
    for seed, pages in product(range(8), (12, 0)):
        stage = Stage(vfs, Play(nothing, ("one",), Build(pages=pages)), seed)
        try:
            assert stage.perform() is None
            (machine,) = stage.site.machines
            stage.site.run()
            stage.site.send(machine, ["a@ok.test"], b"before")
            stage.site.run()
            queue_id = stage.site.send(machine, ["a@ok.test"], LARGE)
            machine.disk.faults.fail_at(op, path, error, written=written)
            with pytest.raises(Down) as down:
                stage.site.run()
            assert isinstance(down.value.error, OSError | apsw.Error)
            assert not stage.site.ledger.facts[queue_id, 0, ""].sure
            stage.site.kill(machine)
            stage.restart(machine)
        finally:
            stage.close()


def fail(vfs: DiskVFS, play: Play, victim: int, step: tuple[str, int], error: int) -> Down | None:
    """Let one call to a disk fail; whatever comes of it, nothing that was answered is lost."""
    stage = Stage(vfs, play, 0)
    try:
        machine = stage.site.machines[victim]
        machine.disk.rng.seed(f"{step} {error}")
        machine.disk.faults.fail_at(step[0], "*", error, nth=step[1], written=step[1] % 3 * 40)
        down = stage.perform()
        if down is not None:
            assert down.machine is machine
            assert down.error is not None
            stage.site.kill(machine)
        machine.disk.faults.clear()
        stage.restart(machine)
        return down
    finally:
        stage.close()


def calls(vfs: DiskVFS, play: Play, victim: int) -> list[Step]:
    """What a machine asks of its disk while nothing fails."""
    stage = Stage(vfs, play, 0)
    try:
        faults = stage.site.machines[victim].disk.faults
        faults.record()
        assert stage.perform() is None
        faults.clear()
        return list(faults.trace)
    finally:
        stage.close()


@pytest.mark.parametrize(
    "play,victim",
    [
        (Play(one_node, ("one",)), 0),
        (Play(traffic, PAIR), 0),
        (Play(traffic, PAIR), 1),
        (Play(claims, PAIR), 0),
        (Play(claims, PAIR), 1),
    ],
    ids=lambda value: value.script.__name__ if isinstance(value, Play) else str(value),
)
def test_each_sync_and_each_write_fails_once(vfs: DiskVFS, play: Play, victim: int) -> None:
    trace = calls(vfs, play, victim)
    ended = list[bool]()
    for op, error, stride in (
        ("fsync", EIO, 2),
        ("fsync-directory", EIO, 1),
        ("write", ENOSPC, 12),
        ("write", EIO, 13),
    ):
        total = sum(step.op == op for step in trace)
        for n in range(1, total + 1, 1 if EVERY else stride):
            ended.append(fail(vfs, play, victim, (op, n), error) is not None)
    # Not always: a checkpoint beside a commit may fail, SQLite then keeps to the WAL.
    assert sum(ended) > len(ended) / 2
