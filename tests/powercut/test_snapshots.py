"""The power fails while a node whose disk was lost gets everything back from its peer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest

from appliance.spool.sizes import Sizes
from tests.powercut.crash import Past, Play, Stage, crash, past, steps
from tests.powercut.machine import Build
from tests.powercut.scripts import meet, traffic
from tests.support.disk_vfs import DiskVFS

SEEDS = int(os.environ.get("POWERCUT_SEEDS", "0"))
PAIR = ("one", "two")
SHORT = Build(sizes=Sizes(keep=2, part=4000, chunk=1000))
"""Journals so short that a peer without anything must be sent whole messages."""


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    with DiskVFS("snapshots") as registered:
        yield registered


@pytest.fixture(scope="module", params=["wiped", "restored"])
def play(vfs: DiskVFS, request: pytest.FixtureRequest) -> Play:
    """The second node's disk is new, or what it was before half of the mail came."""
    earlier = past(vfs, Play(traffic, PAIR, SHORT, whole=False), 100)
    later = past(vfs, Play(traffic, PAIR, SHORT, earlier, whole=False), 101)
    ledger = deepcopy(later.ledger)
    ledger.lost("two")
    image = {} if request.param == "wiped" else earlier.images["two"]
    lost = Past({**later.images, "two": image}, ledger, later.registry)
    return Play(meet, PAIR, SHORT, lost, whole=False)


def test_whole_messages_are_sent(vfs: DiskVFS, play: Play) -> None:
    stage = Stage(vfs, play, 0)
    try:
        assert stage.perform() is None
        assert stage.site.carried["SnapshotEnd"] == 1
        assert stage.site.carried["SnapshotPart"] > 2
        assert stage.site.carried["BodyChunk"] > 2
    finally:
        stage.close()


@pytest.mark.parametrize("victim", [0, 1])
def test_power_fails_at_every_step(vfs: DiskVFS, play: Play, victim: int) -> None:
    for seed in range(SEEDS or 1):
        for nth in range(1, steps(vfs, play, seed, victim) + 1, 1 if SEEDS else 4):
            crash(vfs, play, seed, victim, nth)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_journal_is_pruned_while_power_fails(vfs: DiskVFS, play: Play, victim: int) -> None:
    work = replace(play, script=traffic, past=None)
    for seed in range(SEEDS or 1):
        for nth in range(3, steps(vfs, work, seed, victim) + 1, 1 if SEEDS else 8):
            crash(vfs, work, seed, victim, nth)
