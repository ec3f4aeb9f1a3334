"""What a node is made of, from the answers of whoever sets it up."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from appliance.config import ConfigError
from appliance.config.answers import Answers
from appliance.config.document import checked, parse
from appliance.config.firewall import ruleset
from appliance.config.introduction import decoded, encoded, introduced, introduction
from appliance.config.new_node import node_of, node_text, site_of, site_text
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.config.units import Wrong

FIRST: dict[str, Any] = {
    "name": "a",
    "pair": "new",
    "domain": "site.example",
    "network": {"interface": "eth0", "address": "192.0.2.11/24", "gateway": "192.0.2.1"},
    "link": {"interface": "eth1", "address": "10.9.9.1/30"},
    "virtual": ["192.0.2.10/24"],
    "administrator": {"name": "anna", "password": "correct horse"},
}
SECOND: dict[str, Any] = {
    "name": "b",
    "pair": "join",
    "network": {"interface": "enp1s0", "address": "192.0.2.12/24"},
    "link": {"interface": "enp2s0", "address": "10.9.9.2/30"},
    "join": {"at": "10.9.9.1:2527", "code": "ABCD"},
}

RESTORE = {"file": "/media/stick/twinpost-a-000001.backup", "key": "ABCD"}


def answers(said: dict[str, Any], **other: Any) -> Answers:
    return checked({**said, **other}, Answers, "answers")


def node(said: dict[str, Any], **other: Any) -> NodeSettings:
    """Through the file that is written, as the node reads it."""
    return parse(
        node_text(node_of(answers(said, **other), None, "console")), NodeSettings, "node.toml"
    )


def test_a_node_serves_all_ports_at_its_own_and_the_virtual_address() -> None:
    made = node(FIRST)
    assert made.smtp.listen == ("192.0.2.11:25", "192.0.2.10:25")
    assert made.smtp.submission == ("192.0.2.11:587", "192.0.2.10:587")
    assert made.smtp.submissions == ("192.0.2.11:465", "192.0.2.10:465")
    assert made.account is not None
    assert made.account.http == ("192.0.2.11:80", "192.0.2.10:80")
    assert made.hostname == "a.site.example"
    assert made.console.group == "console"


def test_the_pair_link_uses_the_second_interface_and_heartbeats_use_both() -> None:
    made = node(FIRST)
    assert (made.link.listen, made.link.pairing) == ("10.9.9.1:2526", "10.9.9.1:2527")
    assert made.failover is not None
    assert made.failover.heartbeats == ("192.0.2.11:2528", "10.9.9.1:2528")
    assert not made.failover.paths


def test_the_virtual_address_moves_on_the_interface_of_clients() -> None:
    failover = node(FIRST).failover
    assert failover is not None
    assert (failover.binder, failover.routers[0].interface) == ("netlink", "eth0")


def test_two_virtual_addresses_make_both_nodes_serve() -> None:
    made = node(FIRST, virtual=["192.0.2.10/24", "192.0.2.20/24"])
    joined = _joined(made)
    assert made.failover is not None
    assert joined.failover is not None
    assert [one.priority for one in made.failover.routers] == [200, 150]
    assert [one.priority for one in joined.failover.routers] == [150, 200]


def test_a_joiner_takes_the_virtual_addresses_and_the_site_from_the_pair() -> None:
    first = node(FIRST)
    joined = _joined(first)
    assert joined.virtual == first.virtual
    assert joined.hostname == "b.site.example"
    assert joined.link.peer == "10.9.9.1:2526"
    assert joined.failover is not None
    assert [(path.listen, path.peer) for path in joined.failover.paths] == [
        ("192.0.2.12:2528", "192.0.2.11:2528"),
        ("10.9.9.2:2528", "10.9.9.1:2528"),
    ]
    assert joined.failover.routers[0].interface == "enp1s0"


def test_the_inviter_learns_where_the_joiner_listens() -> None:
    first = node(FIRST)
    met = introduced(first, introduction(_joined(first)))
    assert met.failover is not None
    assert [path.peer for path in met.failover.paths] == ["192.0.2.12:2528", "10.9.9.2:2528"]
    assert met.link.peer == "10.9.9.2:2526"
    assert parse(node_text(met), NodeSettings, "node.toml") == met
    # A pairing that is repeated finds it done: a file that somebody wrote stays as it is.
    assert introduced(met, introduction(_joined(first))) is met


def test_the_firewall_follows_the_peer() -> None:
    first = node(FIRST)
    assert "udp dport 2528" not in ruleset(first)
    met = introduced(first, introduction(_joined(first)))
    assert "ip daddr 10.9.9.1 ip saddr { 10.9.9.2 } udp dport 2528 accept" in ruleset(met)


def test_a_joiner_of_another_network_is_told_before_it_holds_an_address_nobody_reaches() -> None:
    said = introduction(node(FIRST), site_of(answers(FIRST), None))
    elsewhere = answers(
        SECOND, network={"interface": "eth0", "address": "198.51.100.12/24"}, link=None
    )
    with pytest.raises(Wrong, match="not of the network"):
        node_of(elsewhere, said, None)


def test_site_toml_is_the_seed() -> None:
    text = site_text(site_of(answers(FIRST), None))
    assert parse(text, SiteSettings, "site.toml").domains == ("site.example",)
    assert tomllib.loads(text) == {"domains": ["site.example"]}


@pytest.mark.parametrize(
    "change, what",
    [
        ({"network": {"interface": "eth0", "address": "192.0.2.11"}}, "says nothing of its netw"),
        ({"network": {"interface": "eth0", "address": "192.0.2.255/24"}}, "or all of it"),
        ({"network": {**FIRST["network"], "gateway": "10.0.0.1"}}, "is no gateway"),
        ({"virtual": ["192.0.2.11/24"]}, "is there twice"),
        ({"virtual": ["198.51.100.10/24"]}, "is not of the network"),
        ({"virtual": []}, "0 virtual addresses"),
        ({"link": {"interface": "eth0", "address": "10.9.9.1/30"}}, "one interface"),
        ({"link": {"interface": "eth1", "address": "192.0.2.77/24"}}, "network of clients"),
        ({"administrator": {"name": "Anna", "password": "x"}}, "no operator can be called"),
        ({"administrator": None}, "administrator is missing"),
        ({"domain": None}, "domain is missing"),
        ({"time_zone": "../etc"}, "no time zone"),
        ({"keyboard": "de; reboot"}, "no keyboard"),
        ({"name": "a.b"}, "no name of a machine"),
        ({"pair": "join"}, "code of the other node is missing"),
        ({**SECOND, "virtual": ["192.0.2.10/24"], "domain": None}, "virtual is the pair's"),
        ({"pair": "restore"}, "backup is missing"),
        ({"pair": "restore", "restore": RESTORE}, "domain is in the backup"),
        ({"restore": RESTORE}, "a backup is for a restore"),
        ({"restore": {"file": "stick/x.backup", "key": "A"}}, "backup is missing"),
        ({"ports": {"smtp": 587}}, "two purposes"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    change: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        checked(
            {name: one for name, one in {**FIRST, **change}.items() if one is not None},
            Answers,
            "answers",
        )


def _joined(first: NodeSettings) -> NodeSettings:
    site = site_of(answers(FIRST), None)
    said = decoded(encoded(introduction(first, site)))
    assert site_of(answers(SECOND), said) == site
    return node_of(answers(SECOND), said, None)
