"""A report tells the settings of its list and no others, whatever a later release adds."""

from __future__ import annotations

import msgspec

from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.control.report_settings import NODE, SITE, configuration

NODE_TOML = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["127.0.0.1:2525"]
[link]
listen = "127.0.0.1:2526"
pairing = "127.0.0.1:2527"
[paths]
spool = "/canary/spool"
"""


def settings() -> NodeSettings:
    return parse(NODE_TOML, NodeSettings, "node.toml")


def test_every_name_of_the_list_is_a_setting() -> None:
    for names, kind in ((NODE, NodeSettings), (SITE, SiteSettings)):
        for name in names:
            where: type[msgspec.Struct] = kind
            for key in name.split("."):
                fields = {one.name: one.type for one in msgspec.structs.fields(where)}
                assert key in fields, name
                where = _struct(fields[key])


def _struct(kind: object) -> type[msgspec.Struct]:
    for one in getattr(kind, "__args__", (kind,)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return NodeSettings


def test_what_is_not_named_is_not_told() -> None:
    document = {
        "domains": ["site.test"],
        "secret": "canary",
        "limits": {"recipients": 5, "password": "canary"},
        "users": {"alice": {"password": "canary"}},
        "aliases": {"canary@site.test": ["alice"]},
        "routes": {"*": {"transport": "smtp", "next_hops": ["192.0.2.1:25"], "auth": "canary"}},
        "pools": {"p": {"members": {"192.0.2.1:25": {"weight": 2}}, "token": "canary"}},
    }
    tables = list(configuration(settings(), document))
    text = msgspec.json.encode(tables).decode()
    assert "canary" not in text
    rows = {row[0]: row[1] for table in tables for row in table.rows}
    assert rows["limits.recipients"] == "5"
    assert rows["users"] == "1"
    assert rows["routes: *"] == "transport = smtp; next_hops = 192.0.2.1:25"
    assert rows["hostname"] == "a.site.test"
    assert "paths.spool" not in rows


def test_hostile_values_are_made_visible() -> None:
    tables = list(configuration(settings(), {"domains": ["evil\x1b[2J\u202e"]}))
    assert "\x1b" not in msgspec.json.encode(tables).decode()
    assert ("domains", "evil\\x1b[2J\\u202e") in tables[1].rows


def test_the_document_may_be_missing() -> None:
    assert len(list(configuration(settings(), None))) == 1
