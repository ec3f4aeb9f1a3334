"""What connections share: their count, and the date."""

from __future__ import annotations

import pytest

from appliance.config.limits import Limits
from appliance.smtpd.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_CLIENT
from appliance.smtpd.service import Service
from tests.dialogue.wire import Bench


def service(limits: Limits) -> Service:
    return Bench(limits).service


def test_connections_are_counted_by_client_and_in_all() -> None:
    shared = service(Limits(connections=3, connections_per_client=2))
    assert [shared.admit("192.0.2.1") for _ in range(3)] == [None, None, TOO_MANY_FROM_CLIENT]
    assert [shared.admit("192.0.2.2") for _ in range(2)] == [None, TOO_MANY_CONNECTIONS]
    shared.release("192.0.2.1")
    assert shared.admit("192.0.2.3") is None
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        shared.release(client)
    assert [shared.admit("192.0.2.1") for _ in range(2)] == [None, None]


@pytest.mark.parametrize(
    "other, same",
    [("2001:db8::ffff", True), ("2001:db8:0:0:1::", True), ("2001:db8:0:1::", False)],
)
def test_an_ipv6_network_is_one_client(other: str, same: bool) -> None:
    shared = service(Limits(connections_per_client=1))
    assert shared.admit("2001:db8::1") is None
    assert shared.admit(other) == (TOO_MANY_FROM_CLIENT if same else None)


def test_the_date_follows_the_clock_both_ways() -> None:
    shared = service(Limits())
    assert shared.date(1_790_000_000_000) == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert shared.date(1_790_000_000_999) == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert shared.date(1_790_000_001_000) == "Mon, 21 Sep 2026 14:13:21 +0000"
    assert shared.date(0) == "Thu, 01 Jan 1970 00:00:00 +0000"
