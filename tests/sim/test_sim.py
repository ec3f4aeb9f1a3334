"""Thousands of seeded schedules. SIM_SEEDS says how many in all (`make test-sim SEEDS=20000`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.sim.plan import PLANS
from tests.sim.play import Failure, play

SEEDS = int(os.environ.get("SIM_SEEDS", "2000"))
PORTION = 20
WEIGHTS = {"wild": 6}


def portions() -> Iterator[tuple[str, int, int]]:
    """(plan, first seed, seeds): small enough to keep every worker busy."""
    total = sum(WEIGHTS.get(plan, 1) for plan in PLANS)
    for plan in PLANS:
        share = max(1, SEEDS * WEIGHTS.get(plan, 1) // total)
        for first in range(1, share + 1, PORTION):
            yield plan, first, min(PORTION, share + 1 - first)


@pytest.mark.parametrize("plan, first, count", list(portions()))
def test_schedules(plan: str, first: int, count: int) -> None:
    for seed in range(first, first + count):
        play(seed, plan)


def test_a_failure_tells_its_story_and_how_to_replay_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.spool.leasing.Leasing._may_lease", lambda self, lane: True)
    with pytest.raises(Failure) as failed:
        play(1, "cut")
    story = str(failed.value)
    assert "a boots" in story
    assert story.splitlines()[-1].startswith("python -m tests.sim --plan 'cut' --first 1")


@pytest.mark.parametrize("plan", ["wild", "pruned"])
def test_the_same_seed_tells_the_same_story(plan: str) -> None:
    told = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.sim", "--plan", plan, "--first", "3", "--tell"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        ran = subprocess.run(command, env=environment, capture_output=True, check=True)
        told.add(ran.stdout)
    assert len(told) == 1
