"""Retry times: quick at first, growing, bounded, spread, and never for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.retry import DAY, HOUR, MINUTE, Retry, RetrySchedule

SCHEDULE = RetrySchedule()
RANDOM = st.floats(0, 1, exclude_max=True)


def test_default_waits() -> None:
    waits = [SCHEDULE.wait(tries, 0.5) / MINUTE for tries in range(9)]
    assert waits == [1, 5, 15, 30, 60, 120, 240, 240, 240]


def test_jitter_spreads_both_ways() -> None:
    assert SCHEDULE.wait(3, 0.0) == 27 * MINUTE
    assert SCHEDULE.wait(3, 0.999999) == pytest.approx(33 * MINUTE, rel=1e-4)
    assert RetrySchedule(jitter=0).wait(3, 0.0) == 30 * MINUTE


def test_a_site_can_choose() -> None:
    schedule = RetrySchedule(first=(), base=1000, growth=1.0, longest=1000, jitter=0)
    assert [schedule.wait(tries, 0.9) for tries in (0, 1, 10**9)] == [1000] * 3


def test_warning_once_after_four_hours() -> None:
    assert not SCHEDULE.after_failure(4 * HOUR - 1, 5, False, 0.5).warn
    assert SCHEDULE.after_failure(4 * HOUR, 5, False, 0.5).warn
    assert not SCHEDULE.after_failure(4 * HOUR, 5, True, 0.5).warn


def test_expiry_after_five_days() -> None:
    assert SCHEDULE.after_failure(5 * DAY - 1, 40, True, 0.5) == Retry(1, False, False)
    assert SCHEDULE.after_failure(5 * DAY, 40, False, 0.5) == Retry(0, True, False)
    assert SCHEDULE.after_failure(50 * DAY, 0, False, 0.5).expired


@pytest.mark.parametrize(
    "schedule",
    [
        lambda: RetrySchedule(first=(0,)),
        lambda: RetrySchedule(base=0),
        lambda: RetrySchedule(longest=0),
        lambda: RetrySchedule(lifetime=0),
        lambda: RetrySchedule(growth=0.5),
        lambda: RetrySchedule(growth=float("nan")),
        lambda: RetrySchedule(growth=float("inf")),
        lambda: RetrySchedule(jitter=1.0),
        lambda: RetrySchedule(jitter=-0.1),
        lambda: RetrySchedule(warn_after=-1),
    ],
)
def test_impossible_schedules(schedule: Callable[[], RetrySchedule]) -> None:
    with pytest.raises(ValueError, match="must"):
        schedule()


@given(st.integers(0, 10**6), RANDOM)
def test_waits_stay_between_the_bounds(tries: int, random: float) -> None:
    wait = SCHEDULE.wait(tries, random)
    assert 0.9 * MINUTE <= wait <= 1.1 * SCHEDULE.longest


@given(st.integers(0, 60), RANDOM)
def test_waits_never_shrink_but_for_jitter(tries: int, random: float) -> None:
    assert SCHEDULE.wait(tries + 1, random) >= SCHEDULE.wait(tries, random)


@given(st.lists(RANDOM, min_size=1, max_size=20))
def test_every_message_ends_with_one_warning_and_an_attempt_at_its_end(draws: list[float]) -> None:
    age, tries, warnings = 0, 0, 0
    while True:
        step = SCHEDULE.after_failure(age, tries, warnings > 0, draws[tries % len(draws)])
        if step.expired:
            break
        warnings += step.warn
        age += step.retry_in
        tries += 1
    assert age == SCHEDULE.lifetime
    assert warnings == 1
    assert 25 <= tries <= 60
