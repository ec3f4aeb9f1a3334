"""Aliases and senders in the site's document: what could not be served is not taken."""

from __future__ import annotations

import pytest

from appliance.config.document import ConfigError, parse
from appliance.config.site import SiteSettings

SITE = """
domains = ["site.test", "second.test"]
[users.ann]
may_send_as = ["Info@Site.test", "@LAB.test", "*"]
[users.bob]
addresses = []
[routes]
"elsewhere.test" = { transport = "discard" }
"""


def site(more: str) -> SiteSettings:
    return parse(SITE + more, SiteSettings, "site.toml")


def test_users_and_addresses() -> None:
    found = site(
        '[aliases]\n"Info@site.test" = ["ann", "x@second.test"]\n"x@second.test" = ["ann"]\n'
        '"abuse@site.test" = ["ann"]\n"postmaster@site.test" = ["abuse@second.test"]'
    )
    assert found.expansion() == {
        "info@site.test": ("ann@site.test",),
        "x@second.test": ("ann@site.test",),
        "abuse@site.test": ("ann@site.test",),
        "postmaster@site.test": ("abuse@second.test",),
    }
    assert found.senders("ann") == {
        "ann@site.test",
        "ann@second.test",
        "info@site.test",
        "@lab.test",
        "*",
    }
    assert found.senders("bob") == frozenset()


def test_outside_only_with_leave() -> None:
    alias = '[aliases]\n"info@site.test" = ["Some.One@elsewhere.test"]\n'
    with pytest.raises(ConfigError, match=r"relay\.aliases"):
        site(alias)
    found = site(alias + "[relay]\naliases = true")
    assert found.expansion() == {"info@site.test": ("Some.One@elsewhere.test",)}


@pytest.mark.parametrize(
    "alias, told",
    [
        ('"x@elsewhere.test" = ["ann"]', "none of the site's domains"),
        ('"x" = ["ann"]', "user@example.org"),
        ('"@site.test" = ["ann"]', "user@example.org"),
        ('"x@site.test" = []', "nobody is behind"),
        ('"x@site.test" = ["carl"]', "no user 'carl'"),
        ('"x@site.test" = ["bob"]', "has no address"),
        ('"x@site.test" = ["nobody@site.test"]', "nobody at"),
        ('"x@site.test" = ["x@site.test"]', "nobody at"),
        ('"x@site.test" = ["y@site.test"]\n"y@site.test" = ["x@site.test"]', "circles"),
        ('"x@site.test" = ["ann"]\n"X@SITE.test" = ["ann"]', "another spelling"),
        ('"x@site.test" = "ann"', "expected"),
    ],
)
def test_what_could_not_be_served(alias: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        site(f"[aliases]\n{alias}")


@pytest.mark.parametrize("right", ["info", "@", "@-x", "", "a b@site.test"])
def test_rights_that_mean_nothing(right: str) -> None:
    with pytest.raises(ConfigError):
        site(f'[users.carl]\nmay_send_as = ["{right}"]')
