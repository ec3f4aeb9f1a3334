"""Liveness: dead only when every path was silent for as long as it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.failover.paths import Paths

DEAD = 400
LINK = 0


def test_never_heard_is_not_alive() -> None:
    paths = Paths([LINK, 1, 2], DEAD)
    assert not paths.alive(0)
    assert paths.next_timer() is None


def test_one_path_is_enough() -> None:
    paths = Paths([LINK, 1, 2], DEAD)
    paths.heard(0, 1)
    paths.heard(300, 2)
    assert paths.next_timer() == 400
    assert paths.living(399) == {1, 2}
    assert paths.living(400) == {2}
    assert paths.alive(699)
    assert not paths.alive(700)
    paths.heard(900, LINK)
    assert paths.living(900) == {LINK}


def test_a_gap_of_ours_is_not_the_silence_of_the_other() -> None:
    paths = Paths([1], DEAD)
    paths.heard(0, 1)
    assert paths.alive(5000)
    assert paths.alive(5399)
    assert not paths.alive(5400)
    assert not paths.alive(99_000)


def test_unknown_path() -> None:
    with pytest.raises(KeyError):
        Paths([1], DEAD).heard(0, 3)


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, 2])), max_size=40))
def test_alive_while_heard(steps: list[tuple[int, int]]) -> None:
    paths, now = Paths([1, 2], DEAD), 0
    for wait, path in steps:
        now += wait
        paths.heard(now, path)
        assert paths.alive(now)
        timer = paths.next_timer()
        assert timer is not None
        assert now < timer <= now + DEAD
    assert paths.alive(now + DEAD - 1) is bool(steps)
    assert not paths.alive(now + DEAD)
