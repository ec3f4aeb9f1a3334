"""The laws of a token bucket."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from appliance.pools.rate import Rate

WAITS = st.lists(st.floats(0, 90), min_size=1, max_size=60)


@given(st.integers(1, 100_000), WAITS)
def test_never_more_than_the_burst_and_the_rate(per_minute: int, waits: list[float]) -> None:
    """In any time whatever, not only from the start."""
    rate = Rate(per_minute, 0.0)
    times = list(accumulate(waits))
    passed = list[float]()
    for now in times:
        while rate.take(now) and len(passed) < 60:
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            within = passed[last] - begin
            assert last - first + 1 <= rate.burst + within * per_minute / 60 + 1e-6


@given(st.integers(1, 100_000), WAITS)
def test_whoever_waits_gets_through(per_minute: int, waits: list[float]) -> None:
    rate = Rate(per_minute, 0.0)
    for now in accumulate(waits):
        rate.take(now)
    now = sum(waits) + 60 / per_minute + 1e-3
    assert rate.available(now) >= 1
    assert rate.take(now)


@given(st.integers(1, 1000), st.integers(1, 1000), WAITS)
def test_a_change_gives_nothing_away(before: int, after: int, waits: list[float]) -> None:
    rate = Rate(before, 0.0)
    for now in accumulate(waits):
        left = rate.available(now)
        rate.change(after, now)
        assert rate.available(now) <= left
        before, after = after, before


def test_a_clock_that_stands_or_turns_back_gives_nothing() -> None:
    rate = Rate(60, 100.0)
    assert [rate.take(100.0) for _ in range(7)] == [True] * 6 + [False]
    assert not rate.take(50.0)
    assert not rate.take(100.5)
    assert rate.take(101.1)
    assert rate.within(5.0, 101.1) == 5
