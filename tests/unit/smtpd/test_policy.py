"""Who may send to whom."""

from __future__ import annotations

import ipaddress

import pytest

from appliance.mail.route import Mailbox, NextHop, Routes, Smtp
from appliance.smtpd.policy import Policy

ROUTES = Routes(
    ["site.test"],
    {"ann@site.test": "ann"},
    "postmaster",
    {
        "elsewhere.test": Smtp((NextHop("192.0.2.9"),)),
        "list@site.test": Mailbox("list"),
    },
)
NETWORKS = [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    "client, allowed",
    [
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::1", False),
        ("127.0.0.1", False),
    ],
)
def test_only_configured_networks_relay(client: str, allowed: bool) -> None:
    assert Policy(ROUTES, NETWORKS).may_relay(client) is allowed
    assert not Policy(ROUTES).may_relay(client)


@pytest.mark.parametrize(
    "address, stranger, relayed",
    [
        ("ann@site.test", "", ""),
        ("ANN@SITE.TEST", "", ""),
        ("list@site.test", "", ""),
        ("nobody@site.test", "5.1.1", "5.1.1"),
        ("postmaster", "", ""),
        ("PostMaster@site.test", "", ""),
        ("someone@elsewhere.test", "5.7.1", ""),
        ("someone@nowhere.test", "5.7.1", "5.4.4"),
        # No address trick turns a stranger's mail into relayed mail.
        ("someone%elsewhere.test@site.test", "5.1.1", "5.1.1"),
        ('"someone@elsewhere.test"@site.test', "5.1.1", "5.1.1"),
        ("postmaster@elsewhere.test", "5.7.1", ""),
        ("ann@[192.0.2.1]", "5.7.1", "5.4.4"),
    ],
)
def test_who_is_accepted(address: str, stranger: str, relayed: str) -> None:
    policy = Policy(ROUTES, NETWORKS)
    for may_relay, wanted in ((False, stranger), (True, relayed)):
        refusal = policy.refusal(address, may_relay)
        assert (refusal.enhanced if refusal else "") == wanted
        assert refusal is None or refusal.permanent
