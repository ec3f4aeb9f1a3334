"""What this node says of itself when it is paired, and what it makes of what the other one says."""

from __future__ import annotations

from collections.abc import Callable

from appliance.config import ConfigError, Layout, load_node
from appliance.config.introduction import Introduction, decoded, encoded, introduced, introduction
from appliance.config.new_node import node_text
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.link.ceremony import PairingFailed, Problem
from appliance.trust.files import replace


class Introductions:
    """Of a node that has its settings; `site` is the one in force."""

    def __init__(self, layout: Layout, site: Callable[[], SiteSettings]) -> None:
        self._file = layout.node_toml
        self._site = site

    def inviting(self) -> bytes:
        """For whoever joins."""
        return encoded(introduction(load_node(self._file), self._site()))

    def joining(self) -> bytes:
        """For whoever has invited."""
        return encoded(introduction(load_node(self._file)))

    def met(self, said: bytes) -> None:
        """Have node.toml send heartbeats to the other node; raises PairingFailed, OSError.

        Before the pairing is stored: a node that fails in between has paths to a peer that it
        does not know, and hears nobody there. The other way round it would take virtual addresses
        without ever having asked its peer.
        """
        if not said:
            return
        node = load_node(self._file)
        peer = heard(said)
        check_fit(node, peer)
        known = introduced(node, peer)
        if known is not node:
            replace(self._file, node_text(known).encode())


def heard(said: bytes) -> Introduction:
    """What the other node says; raises PairingFailed."""
    try:
        return decoded(said)
    except ConfigError as error:
        raise PairingFailed(Problem.MALFORMED, str(error)) from error


def check_fit(node: NodeSettings, peer: Introduction) -> None:
    """Raise PairingFailed for two nodes that cannot be one site."""
    if node.name == peer.name:
        raise PairingFailed(Problem.UNFIT, f"both are called {node.name}")
    if peer.routers and node.failover:
        own = {one for each in node.failover.routers for one in each.addresses}
        theirs = {one for each in peer.routers for one in each.addresses}
        if own != theirs:
            text = f"virtual addresses {', '.join(sorted(theirs))}, here {', '.join(sorted(own))}"
            raise PairingFailed(Problem.UNFIT, text)
