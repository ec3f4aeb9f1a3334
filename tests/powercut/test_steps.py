"""The power fails at every labelled step of a disk: what was answered is there afterwards.

POWERCUT_SEEDS=N plays every step with N seeds; each seed has its own order of frames, turns and
commits, and each step its own luck in what of the cache survives. Without it, one seed is played,
and of each pair every third step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.powercut.crash import Play, crash, steps
from tests.powercut.machine import Build
from tests.powercut.scripts import changes, claims, one_node, take_over, traffic
from tests.powercut.site import Site
from tests.support.disk_vfs import DiskVFS

SEEDS = int(os.environ.get("POWERCUT_SEEDS", "0"))
PAIR = ("one", "two")


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    with DiskVFS("powercut") as registered:
        yield registered


def crash_everywhere(vfs: DiskVFS, play: Play, victim: int, stride: int) -> None:
    for seed in range(SEEDS or 1):
        total = steps(vfs, play, seed, victim)
        assert total > 100
        for nth in range(1, total + 1, 1 if SEEDS else stride):
            crash(vfs, play, seed, victim, nth)


@pytest.mark.parametrize("beside", [False, True], ids=["inline", "beside"])
def test_a_node_alone(vfs: DiskVFS, beside: bool) -> None:
    crash_everywhere(vfs, Play(one_node, ("one",), Build(beside=beside)), 0, 1)


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("script", [traffic, claims, take_over, changes])
def test_a_node_of_a_pair(vfs: DiskVFS, script: Callable[[Site], None], victim: int) -> None:
    crash_everywhere(vfs, Play(script, PAIR), victim, 3)
