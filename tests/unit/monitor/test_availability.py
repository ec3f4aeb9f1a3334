"""How available the service was, and what may still fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.monitor.availability import DAYS, OBJECTIVE, availability
from appliance.monitor.ring import DAY, LEVELS

MONTH = 30 * DAY // LEVELS[0].step


def test_a_month_without_a_failure_leaves_43_minutes() -> None:
    told = availability("service", 30, 1.0, MONTH)
    assert told.budget_left == 43 * 60_000 + 12_000
    assert told.observed == 30 * DAY


def test_what_failed_is_taken_from_it() -> None:
    assert availability("service", 30, OBJECTIVE, MONTH).budget_left == 0
    assert availability("service", 30, 0.998, MONTH).budget_left < 0


def test_a_day_of_which_half_failed_is_half_a_day_of_a_month() -> None:
    told = availability("service", 30, 0.5, MONTH // 30)
    assert told.budget_left == 43 * 60_000 + 12_000 - DAY // 2


@given(st.sampled_from(DAYS), st.floats(0, 1), st.integers(0, MONTH))
def test_the_budget_is_missed_if_the_objective_is(days: int, share: float, samples: int) -> None:
    told = availability("x", days, share, samples)
    if samples * LEVELS[0].step == days * DAY and abs(share - OBJECTIVE) > 1e-6:
        assert (told.budget_left < 0) is (share < OBJECTIVE)
    assert told.budget_left <= (1 - OBJECTIVE) * days * DAY + 1
