"""[failover] in node.toml: what is accepted, and how mistakes are told."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from appliance.config import ConfigError, Problem
from appliance.config.document import parse
from appliance.config.failover import FailoverSettings
from appliance.config.node import NodeSettings

NODE = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["192.0.2.11:25"]
[link]
listen = "192.0.2.11:2526"
pairing = "192.0.2.11:2527"
"""

FAILOVER = """
[failover]
interval = "100ms"

[[failover.paths]]
listen = "192.0.2.11:2528"
peer = "192.0.2.12:2528"

[[failover.paths]]
listen = "[2001:db8::11]:2528"
peer = "[2001:db8::12]:2528"

[[failover.routers]]
vrid = 1
addresses = ["192.0.2.10/24", "2001:db8::10/64"]
interface = "eth0"
priority = 200

[[failover.routers]]
vrid = 2
addresses = ["192.0.2.20/24"]
interface = "eth0"
priority = 150

[[failover.track]]
name = "gateway"
command = ["/usr/bin/ping", "-c1", "192.0.2.1"]
weight = -20
"""


def load(text: str) -> FailoverSettings:
    failover = parse(NODE + text, NodeSettings, "node.toml").failover
    assert failover is not None
    return failover


def problem(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems[0]


def test_two_paths_and_two_virtual_routers() -> None:
    failover = load(FAILOVER)
    expected = ("192.0.2.10", "2001:db8::10", "192.0.2.20")
    assert failover.virtual == tuple(map(ip_address, expected))
    assert [one.prefix for one in failover.routers[0].addresses] == [24, 64]
    assert (failover.interval, failover.preempt, failover.binder) == (100, False, "netlink")
    assert (failover.track[0].rise, failover.track[0].fall) == (1, 3)


def test_no_address_moves_by_default() -> None:
    assert parse(NODE, NodeSettings, "node.toml").virtual == ()


@pytest.mark.parametrize(
    "old, new, told",
    [
        ('interval = "100ms"', 'interval = "105ms"', "no multiple of 10ms"),
        ('interval = "100ms"', 'interval = "0ms"', "no multiple of 10ms"),
        ('interval = "100ms"', 'interval = "41s"', "over 40950ms"),
        ('interval = "100ms"', 'mail_timeout = "100ms"', "at least 500ms"),
        ('interval = "100ms"', 'binder = "arp"', "arp"),
        ('interval = "100ms"', 'binder = "loopback"', "no loopback address"),
        ('peer = "192.0.2.12:2528"', 'peer = "b.site.test:2528"', "no IP address"),
        ('peer = "192.0.2.12:2528"', 'peer = "[2001:db8::12]:2528"', "one family"),
        ('peer = "192.0.2.12:2528"', 'peer = "192.0.2.11:2528"', "two addresses"),
        ("vrid = 2", "vrid = 1", "one vrid"),
        ("vrid = 2", "vrid = 256", "<= 255"),
        ('["192.0.2.20/24"]', "[]", "no address"),
        ('["192.0.2.20/24"]', '["192.0.2.10/25"]', "twice"),
        ('["192.0.2.20/24"]', '["192.0.2.20/33"]', "no IP address"),
        ("priority = 150", "priority = 255", "<= 254"),
        ("priority = 150", "priority = 0", ">= 1"),
        ('interface = "eth0"\npriority = 150', "priority = 150", "2 names no interface"),
        ('["/usr/bin/ping", "-c1", "192.0.2.1"]', '["ping"]', "full path"),
        ("weight = -20", "weight = -254", ">= -253"),
        ("weight = -20", "fall = 0", ">= 1"),
        ("weight = -20", 'timeout = "0s"', "longer than 0"),
    ],
)
def test_what_it_may_not_say(old: str, new: str, told: str) -> None:
    assert old in FAILOVER
    found = problem(FAILOVER.replace(old, new))
    assert told in found.what
    assert found.key.startswith("failover")


def test_one_listen_for_each_path() -> None:
    both = FAILOVER.replace("[2001:db8::11]", "192.0.2.11").replace("[2001:db8::12]", "192.0.2.13")
    assert "listen of its own" in problem(both).what


def test_one_name_for_each_check() -> None:
    track = FAILOVER[FAILOVER.index("[[failover.track]]") :]
    assert "one name" in problem(FAILOVER + track).what


def test_at_most_two_virtual_routers() -> None:
    router = '[[failover.routers]]\nvrid = 3\naddresses = ["192.0.2.30"]\npriority = 9\n'
    assert "3 virtual routers" in problem(FAILOVER + router).what
