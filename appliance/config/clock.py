"""What the node's clock follows and serves, from its node.toml: settings for chrony.

Each node serves the other one. With nobody better to follow, chrony's orphan mode makes one of
them the other's measure: the two agree, whatever the time is.
"""

from __future__ import annotations

from appliance.config.node import NodeSettings

_ORPHAN = 10
"""The stratum (RFC 5905 §7.3) of a clock that follows nobody; a site's servers have a lower one."""


def chrony(node: NodeSettings) -> str:
    """A file for chrony's `confdir`."""
    lines = ["# Written by Twinpost from node.toml."]
    lines += [f"server {one} iburst prefer" for one in node.clock.servers]
    if node.link.peer is not None:
        peer = node.link.peer.address
        # Often asked: after a restart the two agree within seconds.
        lines += [f"server {peer} iburst minpoll 4 maxpoll 6", f"allow {peer}"]
    lines += [f"local stratum {_ORPHAN} orphan", "makestep 1 3"]
    return "\n".join([*lines, ""])
