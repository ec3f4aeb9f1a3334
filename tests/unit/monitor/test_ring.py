"""The history's arithmetic: places, windows, folds."""

from __future__ import annotations

from itertools import pairwise
from math import isclose, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.monitor.ring import (
    DAY,
    HOUR,
    LEVELS,
    LONGEST,
    MINUTE,
    Mark,
    Moment,
    fold,
    fold_one,
    place,
    sample,
    window,
)

figures = st.floats(-(2.0**99), 2.0**99, width=32)
maybe = st.one_of(figures, st.just(nan))


def test_levels_reach_as_far_as_promised() -> None:
    assert [level.span for level in LEVELS] == [DAY, 8 * DAY, 90 * DAY]
    assert all(coarse.step % fine.step == 0 for fine, coarse in pairwise(LEVELS))


@pytest.mark.parametrize("step", [0, -5 * 365 * DAY, 3 * HOUR, 20 * 365 * DAY])
def test_no_step_of_the_wall_clock_moves_a_place(step: int) -> None:
    before = Mark(1_000_000, Moment("x", 5_000, 7_777))
    assert place(before, Moment("x", 15_000, 17_777 + step)) == 1_010_000


def test_over_a_restart_the_wall_clock_says_how_long_it_was_away() -> None:
    before = Mark(1_000_000, Moment("x", 5_000, 1_000))
    assert place(before, Moment("y", 3, 1_000 + HOUR)) == 1_000_000 + HOUR


@pytest.mark.parametrize("wall", [0, 1_000, 500 * DAY])
def test_a_wrong_clock_makes_a_restart_one_sample(wall: int) -> None:
    before = Mark(1_000_000, Moment("x", 5_000, 1_000))
    assert place(before, Moment("y", 3, wall)) == 1_010_000


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 10**9), st.integers(0, 10**14))))
def test_places_never_go_back(moments: list[tuple[str, int, int]]) -> None:
    mark: Mark | None = None
    for boot, running, wall in moments:
        at = place(mark, Moment(boot, running, wall))
        assert mark is None or at >= mark.place
        mark = Mark(at, Moment(boot, running, wall))


@given(st.lists(st.lists(maybe, max_size=4), min_size=1, max_size=12))
def test_a_fold_lies_between_the_least_and_the_greatest(rows: list[list[float]]) -> None:
    folded = fold([sample(row) for row in rows])
    assert folded is not None
    assert folded.samples == len(rows)
    for index in range(len(folded.mean)):
        known = [row[index] for row in rows if index < len(row) and not isnan(row[index])]
        if not known:
            assert isnan(folded.mean[index])
            continue
        assert folded.least[index] == min(known)
        assert folded.greatest[index] == max(known)
        assert min(known) <= folded.mean[index] <= max(known)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=60), st.integers(1, 10))
def test_folding_in_steps_is_folding_at_once(told: list[float], size: int) -> None:
    rows = [sample([one]) for one in told]
    parts = [fold(rows[start : start + size]) for start in range(0, len(rows), size)]
    twice, once = fold([part for part in parts if part]), fold(rows)
    assert twice is not None
    assert once is not None
    assert (twice.samples, twice.least, twice.greatest) == (once.samples, once.least, once.greatest)
    assert isclose(twice.mean[0], once.mean[0], rel_tol=1e-9, abs_tol=1e-9)


def test_a_row_counts_for_its_samples() -> None:
    assert fold_one([(1, 0.0, 0.0, 0.0), (3, 4.0, 4.0, 4.0)]) == (0.0, 3.0, 4.0)


@given(st.integers(0, 10**13), st.integers(MINUTE, LONGEST), st.integers(1, 2000))
def test_a_window_covers_what_was_asked_and_little_more(now: int, span: int, points: int) -> None:
    found = window(now, span, points)
    step = LEVELS[found.level].step
    assert found.width % step == 0
    assert found.start % step == 0
    assert now < found.end <= now + found.width
    assert found.start <= now + found.width - span
    assert found.end - found.start < span + 2 * found.width
    assert found.points <= points
    assert found.start <= now


@pytest.mark.parametrize(
    "span, points, level",
    [(HOUR, 60, 1), (HOUR, 360, 0), (DAY, 2000, 0), (7 * DAY, 200, 2), (8 * DAY, 2000, 1)],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(span: int, points: int, level: int) -> None:
    assert window(10**12, span, points).level == level
