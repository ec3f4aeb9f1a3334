"""When jobs are due."""

from __future__ import annotations

from appliance.jobs.plan import DAY, HOUR, MINUTE, Past, Plan, due_at

PLAN = Plan(DAY)


def test_the_first_run_is_soon_and_the_others_are_apart() -> None:
    assert due_at(PLAN, Past(1000)) == 1000 + 5 * MINUTE
    assert due_at(PLAN, Past(1000, ran=True)) == 1000 + DAY
    assert due_at(Plan(DAY, first=7 * DAY), Past(1000)) == 1000 + DAY


def test_what_failed_is_tried_sooner_but_never_more_often_than_it_is_due() -> None:
    assert due_at(PLAN, Past(1000, ran=True, ok=False)) == 1000 + HOUR
    assert due_at(Plan(MINUTE), Past(1000, ran=True, ok=False)) == 1000 + MINUTE
