"""docs/settings.md names every setting with its default, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from appliance.config.account import AccountSettings
from appliance.config.balance import BalanceSettings, ServerSettings
from appliance.config.delivery import DeliverySettings, DnsSettings
from appliance.config.failover import (
    FailoverSettings,
    HeartbeatPath,
    RouterSettings,
    TrackSettings,
)
from appliance.config.limits import Limits
from appliance.config.node import NodeSettings
from appliance.config.plain import plain
from appliance.config.policy import AccessRule, PolicySettings
from appliance.config.pools import NextHopSettings, PoolSettings
from appliance.config.site import RetrySettings, RouteSettings, SiteSettings, User

_TABLES = ("users", "aliases", "routes", "pools", "next_hops")
TEXT = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()


def documented(heading: str) -> dict[str, str]:
    """Key → default, as the table under `heading` says."""
    section = re.split(r"\n#+ ", TEXT.partition(heading)[2])[0]
    found: dict[str, str] = {}
    for row in section.splitlines():
        cells = row.split("|")
        for key in re.findall(r"`([\w.]+)`", cells[1]) if row.startswith("| `") else ():
            found[key] = cells[2].strip().strip("`")
    return found


def defaults(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """Key → default, "" if it must or may be left out; sections are gone into."""
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(struct):
        kind = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found |= defaults(kind, f"{prefix}{field.name}.")
        else:
            found[f"{prefix}{field.name}"] = _spelled(field.default)
    return found


def _spelled(default: object) -> str:
    if default is msgspec.NODEFAULT or default is None:
        return ""
    value = plain(default)
    return value if isinstance(value, str) else json.dumps(value)


def test_node() -> None:
    assert documented("## node.toml") == defaults(NodeSettings)


def test_site() -> None:
    expected = {
        key: default
        for key, default in defaults(SiteSettings).items()
        if key.split(".")[0] not in (*_TABLES, "limits", "policy", "delivery", "dns", "retry")
    }
    expected |= defaults(User, "users.NAME.") | defaults(RouteSettings, "routes.KEY.")
    assert documented("## site.toml") == expected


@pytest.mark.parametrize(
    "heading, struct",
    [
        ("`[limits]`", Limits),
        ("`[policy]`", PolicySettings),
        ("`[[policy.access]]`", AccessRule),
        ("`[pools.NAME]`", PoolSettings),
        ('`[next_hops."HOST:PORT"]`', NextHopSettings),
        ("`[delivery]`", DeliverySettings),
        ("`[dns]`", DnsSettings),
        ("`[retry]`", RetrySettings),
        ("### `[failover]`", FailoverSettings),
        ("### `[[failover.paths]]`", HeartbeatPath),
        ("### `[[failover.routers]]`", RouterSettings),
        ("### `[[failover.track]]`", TrackSettings),
        ("### `[account]`", AccountSettings),
        ("### `[balance]`", BalanceSettings),
        ("### `[[balance.servers]]`", ServerSettings),
    ],
)
def test_sections(heading: str, struct: type[msgspec.Struct]) -> None:
    assert documented(heading) == defaults(struct)
