"""When a machine is a node, and when its setup comes again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Layout, load_node
from appliance.config.answers import Answers
from appliance.config.document import checked
from appliance.config.node import PathSettings
from appliance.control.helper import Helper
from appliance.link.certificates import Authority, PrivateKey
from appliance.link.identity import KeyStore, Pairing, Peer
from appliance.services.first_boot import Foundation
from appliance.services.first_boot_state import draft, needed
from appliance.services.first_operator import pending

SAID: dict[str, Any] = {
    "name": "a",
    "pair": "later",
    "domain": "site.example",
    "network": {"interface": "eth0", "address": "192.0.2.11/24"},
    "virtual": ["192.0.2.10/24"],
    "administrator": {"name": "anna", "password": "correct horse battery"},
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path, PathSettings())
    found.create()
    return found


def found(layout: Layout) -> str:
    over = asyncio.Event()
    founder = Foundation(layout, Helper(layout.data / "no-helper"), None, over)
    said = asyncio.run(founder.found(checked(SAID, Answers, "answers"), "root"))
    assert over.is_set()
    return said


def paired(layout: Layout) -> None:
    store, authority = KeyStore(layout.keys), Authority.create()
    other = PrivateKey.generate().public_key
    own = authority.issue(store.identity().public_key)
    store.save(
        Pairing(authority.certificate, authority.key.pem(), own, Peer(other, "192.0.2.12:2526"))
    )


def test_a_machine_without_settings_is_set_up_and_then_a_node(layout: Layout) -> None:
    assert needed(layout.data)
    assert found(layout) == "Node a starts."
    assert not needed(layout.data)
    assert load_node(layout.node_toml).virtual
    assert layout.site_toml.read_text().endswith('domains = ["site.example"]\n')


def test_the_password_of_the_first_operator_is_nowhere(layout: Layout) -> None:
    found(layout)
    assert b"$argon2id$" in pending(layout.data).read_bytes()
    for file in layout.data.rglob("*"):
        assert not file.is_file() or b"correct horse" not in file.read_bytes()


def test_a_power_cut_once_a_joiner_is_paired_leaves_a_node(layout: Layout) -> None:
    """It would wait for a code that is used up, and the other node for a peer."""
    found(layout)
    layout.node_toml.rename(draft(layout))
    paired(layout)
    assert not needed(layout.data)
    assert load_node(layout.node_toml).name == "a"


def test_a_power_cut_before_the_pairing_was_stored_asks_again(layout: Layout) -> None:
    found(layout)
    layout.node_toml.rename(draft(layout))
    assert needed(layout.data)


def test_a_draft_that_cannot_be_read_asks_again(layout: Layout) -> None:
    paired(layout)
    draft(layout).write_text("name = ")
    assert needed(layout.data)


def test_who_joined_in_vain_and_then_begins_a_pair_has_no_peer(layout: Layout) -> None:
    paired(layout)
    found(layout)
    assert KeyStore(layout.keys).identity().peer is None
