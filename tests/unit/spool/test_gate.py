"""Whether mail may be accepted: the disk's reserve, and a site that takes nothing alone."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.replica.pair import Mode
from appliance.spool.gate import Gate


class Surroundings:
    """The disk, the clock and the pair as a test wants them."""

    def __init__(self) -> None:
        self.free = 1000
        self.now = 5
        self.mode = Mode.PAIRED
        self.reusable = 0
        self.trial = False
        self.looks = 0

    def statvfs(self, path: object) -> SimpleNamespace:
        """100 bytes a block."""
        self.looks += 1
        return SimpleNamespace(f_bavail=self.free // 100, f_frsize=100)


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    surroundings = Surroundings()
    monkeypatch.setattr(os, "statvfs", surroundings.statvfs)
    return surroundings


def gate(around: Surroundings, reserve: int = 500, refuse_alone: bool = False) -> Gate:
    return Gate(
        Path(),
        reserve,
        refuse_alone,
        lambda: around.mode,
        lambda: around.now,
        lambda: around.reusable,
        lambda: around.trial,
    )


def code(gate: Gate) -> tuple[int, str] | None:
    refused = gate()
    return (refused.reply.code, refused.reply.enhanced) if refused else None


def test_mail_is_welcome_while_the_reserve_is_untouched(around: Surroundings) -> None:
    around.free = 500
    assert code(gate(around)) is None


def test_a_full_disk_refuses_for_now_and_says_how_to_mend_it(around: Surroundings) -> None:
    around.free = 400
    refused = gate(around)()
    assert refused is not None
    assert (refused.reply.code, refused.reply.enhanced) == (452, "4.3.1")
    assert "free space" in refused.hint


def test_what_pruning_freed_in_the_database_counts(around: Surroundings) -> None:
    around.free, around.reusable = 400, 100
    assert not gate(around).short
    around.reusable = 99
    assert gate(around).short


def test_a_file_system_without_space_is_full_whatever_the_database_has(
    around: Surroundings,
) -> None:
    around.free, around.reusable = 200, 1_000_000
    assert code(gate(around)) == (452, "4.3.1")


def test_the_disk_is_looked_at_now_and_then(around: Surroundings) -> None:
    door = gate(around)
    around.free = 0
    assert code(door) == (452, "4.3.1")
    around.free = 1000
    assert code(door) == (452, "4.3.1"), "not at every message"
    assert around.looks == 1
    around.now += 1000
    assert code(door) is None


@pytest.mark.parametrize(
    "mode,refuse,expected",
    [
        (Mode.SOLO, True, (452, "4.3.2")),
        (Mode.SOLO, False, None),
        (Mode.CATCHING_UP, True, None),
        (Mode.PAIRED, True, None),
    ],
)
def test_a_site_that_takes_nothing_alone(
    around: Surroundings, mode: Mode, refuse: bool, expected: tuple[int, str] | None
) -> None:
    around.mode = mode
    assert code(gate(around, refuse_alone=refuse)) == expected


def test_a_real_disk_is_read(tmp_path: Path) -> None:
    rest = (False, lambda: Mode.PAIRED, lambda: 0, lambda: 0, lambda: False)
    assert Gate(tmp_path, 1, *rest)() is None
    assert Gate(tmp_path, 1 << 62, *rest)() is not None


def test_a_release_on_trial_takes_nothing_that_the_other_node_does_not_have(
    around: Surroundings,
) -> None:
    around.trial = True
    assert code(gate(around)) is None
    for around.mode in (Mode.SOLO, Mode.CATCHING_UP):
        assert code(gate(around)) == (452, "4.3.2")
