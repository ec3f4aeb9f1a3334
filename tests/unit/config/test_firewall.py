"""The firewall lets in what node.toml names, for those it names, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.config.firewall import openings, ruleset
from appliance.config.node import NodeSettings, load_node

_NODE = """\
name = "a"
hostname = "a.site.test"
account = { listen = ["192.0.2.10:443"] }
http = { listen = ["[::]:8025"], status = ["10.0.0.0/8", "2001:db8::/64", "::1"] }
failover.paths = [{ listen = "192.0.2.11:2528", peer = "192.0.2.12:2528" }]
failover.routers = [{ vrid = 1, addresses = ["192.0.2.10/24"], priority = 9, interface = "eth0" }]
[smtp]
listen = ["0.0.0.0:25", "[2001:db8::11]:25"]
submissions = ["192.0.2.10:465"]
proxy_listen = ["192.0.2.11:2525"]
proxy_networks = ["192.0.2.12", "2001:db8::12"]
[link]
listen = "192.0.2.11:2526"
pairing = "192.0.2.11:2527"
peer = "192.0.2.12:2526"
"""


@pytest.fixture
def node(tmp_path: Path) -> NodeSettings:
    (tmp_path / "node.toml").write_text(_NODE)
    return load_node(tmp_path / "node.toml")


def test_each_port_is_open_to_whom_it_is_for(node: NodeSettings) -> None:
    assert [one.rule() for one in openings(node)] == [
        "tcp dport 25 accept",
        "ip6 daddr 2001:db8::11 tcp dport 25 accept",
        "ip daddr 192.0.2.10 tcp dport 465 accept",
        "ip daddr 192.0.2.11 ip saddr { 192.0.2.12/32 } tcp dport 2525 accept",
        "ip daddr 192.0.2.10 tcp dport 443 accept",
        "ip daddr 192.0.2.11 ip saddr { 192.0.2.12 } tcp dport 2526 accept",
        "ip daddr 192.0.2.11 tcp dport 2527 accept",
        "ip saddr { 10.0.0.0/8 } tcp dport 8025 accept",
        "ip6 saddr { 2001:db8::/64, ::1/128 } tcp dport 8025 accept",
        "ip daddr 192.0.2.11 ip saddr { 192.0.2.12 } udp dport 2528 accept",
        "ip saddr { 192.0.2.12 } udp dport 123 accept",
    ]


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
def test_nft_understands_it(node: NodeSettings) -> None:
    done = subprocess.run(
        ["nft", "--check", "--file", "-"], input=ruleset(node), capture_output=True, text=True
    )
    assert "syntax error" not in done.stderr
    assert done.returncode == 0 or "Operation not permitted" in done.stderr
