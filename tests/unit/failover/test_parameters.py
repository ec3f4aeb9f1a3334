"""RFC 9568 §6.1: the formulas, against exact fractions, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.failover.parameters import (
    CENTISECOND,
    Announcements,
    VirtualRouter,
    active_down_interval,
    skew_time,
)

VIP = IPv4Address("192.0.2.10")


@pytest.mark.parametrize(
    "priority, interval, skew, down",
    [
        (100, 100, 609_375_000, 3_609_375_000),  # 156/256 s, 3 + 156/256 s
        (200, 100, 218_750_000, 3_218_750_000),
        (255, 10, 390_625, 300_390_625),
        (1, 4095, 40_790_039_062, 163_640_039_062),  # and a half
    ],
)
def test_times(priority: int, interval: int, skew: int, down: int) -> None:
    assert skew_time(priority, interval) == skew
    assert active_down_interval(priority, interval) == down


@given(st.integers(1, 255), st.integers(1, 4095))
def test_exact_to_half_a_nanosecond(priority: int, interval: int) -> None:
    skew = Fraction((256 - priority) * interval, 256)
    assert 0 <= skew * CENTISECOND - skew_time(priority, interval) <= Fraction(1, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vrid": 0},
        {"vrid": 256},
        {"priority": 0},
        {"priority": 256},
        {"interval": 0},
        {"interval": 4096},
        {"addresses": ()},
        {"addresses": (VIP, VIP)},
        {"announcements": Announcements(refresh=0)},
        {"announcements": Announcements(delay=0)},
    ],
    ids=str,
)
def test_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"vrid": 1, "addresses": (VIP,)}
    VirtualRouter(**right)
    with pytest.raises(ValueError, match=r"vrid|priority|interval|addresses|announcements"):
        VirtualRouter(**(right | wrong))
