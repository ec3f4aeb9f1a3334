"""chrony's settings: the nodes of a pair agree, and follow a clock of the site's if it has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config import ConfigError
from appliance.config.clock import chrony
from appliance.config.node import load_node

_NODE = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["192.0.2.1:25"]
[link]
listen = "192.0.2.1:2526"
pairing = "192.0.2.1:2527"
"""


def settings(tmp_path: Path, more: str) -> set[str]:
    path = tmp_path / "node.toml"
    path.write_text(_NODE + more)
    return set(chrony(load_node(path)).splitlines())


def test_a_node_alone_goes_by_itself(tmp_path: Path) -> None:
    lines = settings(tmp_path, "")
    assert "local stratum 10 orphan" in lines
    assert not [line for line in lines if line.startswith(("server", "allow"))]


def test_the_nodes_follow_and_serve_each_other(tmp_path: Path) -> None:
    lines = settings(tmp_path, 'peer = "192.0.2.2:2526"\n')
    assert {"server 192.0.2.2 iburst minpoll 4 maxpoll 6", "allow 192.0.2.2"} <= lines


def test_a_clock_of_the_site_comes_first(tmp_path: Path) -> None:
    lines = settings(tmp_path, '[clock]\nservers = ["192.0.2.9", "2001:db8::9"]\n')
    assert {"server 192.0.2.9 iburst prefer", "server 2001:db8::9 iburst prefer"} <= lines


@pytest.mark.parametrize("text", ["192.0.2.9\\nallow all", "fe80::1%x\\nallow all"])
def test_no_setting_gets_in_by_an_address(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        settings(tmp_path, f'[clock]\nservers = ["{text}"]\n')
