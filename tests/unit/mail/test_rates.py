"""Rates: never more than was promised, everything back in time, memory bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.networks import group
from appliance.mail.rates import Rates

MINUTE = 60_000_000_000


def taken(rates: Rates, times: list[int], key: str = "a") -> list[int]:
    done = []
    for now in times:
        if rates.fits(key, now):
            rates.take(key, now)
            done.append(now)
    return done


@given(
    st.integers(1, 20),
    st.lists(st.integers(0, MINUTE), max_size=200).map(
        lambda steps: [sum(steps[: at + 1]) // 4 for at in range(len(steps))]
    ),
)
def test_never_more_than_limit_and_what_came_back(limit: int, times: list[int]) -> None:
    done = taken(Rates(limit, MINUTE), times)
    for first, begin in enumerate(done):
        for last in range(first, len(done)):
            most = limit + (done[last] - begin) / (MINUTE // limit)
            assert last - first + 1 <= most + 1e-6


@given(st.integers(1, 1000))
def test_all_at_once_then_evenly(limit: int) -> None:
    rates = Rates(limit, MINUTE)
    assert len(taken(rates, [5] * (limit + 3))) == limit
    assert not rates.fits("a", 5 + MINUTE // limit - 1)
    assert taken(rates, [5 + MINUTE // limit] * 2) == [5 + MINUTE // limit]
    assert len(taken(rates, [5 + 3 * MINUTE] * (limit + 3))) == limit


def test_one_is_not_counted_as_another() -> None:
    rates = Rates(1, MINUTE)
    assert taken(rates, [0, 0], "a") == [0]
    assert taken(rates, [0, 0], "b") == [0]


def test_of_too_many_the_longest_quiet_is_forgotten() -> None:
    rates = Rates(1, MINUTE, capacity=3)
    for at, key in enumerate("abca"):
        rates.take(key, at)
    rates.take("d", 9)
    assert len(rates) == 3
    assert rates.fits("b", 9)
    assert not rates.fits("a", 9)
    for number in range(10_000):
        rates.take(str(number), 10)
    assert len(rates) == 3


def test_an_ipv6_client_is_its_whole_network() -> None:
    assert group("2001:db8:1:2:3:4:5:6") == group("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert group("2001:db8:1:3::1") != group("2001:db8:1:2::1")
    assert group("192.0.2.1") == "192.0.2.1"
