"""Two nodes that are paired and linked."""

from __future__ import annotations

import struct

from appliance.link.connection import LinkConnection, Timing
from tests.unit.link.nodes import QUICK, Nodes, Side

HELLO = struct.pack(">IB", 16, 0) + b"twinpost link 1"


async def linked(nodes: Nodes, timing: Timing = QUICK) -> tuple[Side, Side]:
    """Both sides of a link, up; the one that dials first."""
    low, high = nodes.pair()
    listening = await nodes.listening(high, timing)
    return await nodes.dialling(low, listening.link.port, timing), listening


async def connected(nodes: Nodes) -> tuple[LinkConnection, LinkConnection, Side, Side]:
    dialling, listening = await linked(nodes)
    return await dialling.ear.up(), await listening.ear.up(), dialling, listening
