"""Pools and the limits of next hops in the site's document."""

from __future__ import annotations

import pytest

from appliance.config.document import ConfigError, checked
from appliance.config.site import SiteSettings
from appliance.mail.route import Member, NextHop, Smtp

POOL = {
    "members": [
        {"address": "127.0.0.1:2601", "weight": 3},
        {"address": "127.0.0.1:2602", "backup": True},
    ],
    "algorithm": "least-connections",
}


def site(**tables: object) -> SiteSettings:
    return checked({"domains": ["site.test"], **tables}, SiteSettings, "site.toml")


def test_a_route_names_a_pool() -> None:
    settings = site(pools={"out": POOL}, routes={"*": {"transport": "smtp", "pool": "out"}})
    route = settings.table().resolve("x@else.test")
    assert isinstance(route.transport, Smtp)
    assert route.transport.next_hops == (NextHop("127.0.0.1", 2601), NextHop("127.0.0.1", 2602))
    assert route.destination == "pool:out"
    assert route.transport.pool is not None
    assert route.transport.pool.algorithm == "least-connections"
    assert route.transport.pool.members == (
        Member(NextHop("127.0.0.1", 2601), 3),
        Member(NextHop("127.0.0.1", 2602), 1, True),
    )


@pytest.mark.parametrize(
    "tables, words",
    [
        ({"routes": {"*": {"transport": "smtp", "pool": "out"}}}, "no pool 'out'"),
        ({"pools": {"out": {"members": []}}}, "no member"),
        ({"pools": {"out": {"members": [{"address": "h:25", "backup": True}]}}}, "only backup"),
        ({"pools": {"out": {"members": [{"address": "h:25"}, {"address": "h:25"}]}}}, "twice"),
        ({"pools": {"out": {"members": [{"address": "h:25"}], "check": "1ms"}}}, "check"),
        (
            {"routes": {"*": {"transport": "smtp", "pool": "out", "mx": True}}},
            "either next_hops or pool or mx",
        ),
        ({"next_hops": {"x y": {"connections": 1}}}, "x y"),
        ({"next_hops": {"h:25": {"messages_per_minute": 0}}}, "messages_per_minute"),
    ],
)
def test_what_cannot_be_meant(tables: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        site(**tables)
    assert words in str(error.value)


def test_limits_are_found_by_the_name_of_the_next_hop() -> None:
    settings = site(
        next_hops={
            "127.0.0.1:25": {"connections": 2},
            "[::1]:25": {"connections": 3},
            "Example.Org": {"messages_per_minute": 60},
        }
    )
    limits = settings.hop_limits()
    assert limits[str(NextHop("127.0.0.1", 25))].connections == 2
    assert limits[str(NextHop("::1", 25))].connections == 3
    assert limits["mx:example.org"].messages_per_minute == 60


def test_a_pool_must_not_lead_back() -> None:
    settings = site(pools={"out": POOL}, routes={"*": {"transport": "smtp", "pool": "out"}})
    with pytest.raises(ValueError, match="leads back"):
        settings.table([NextHop("127.0.0.1", 2602)])
