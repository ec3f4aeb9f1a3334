"""Whether a data directory holds a node, or waits for its setup."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from appliance.config import ConfigError, Layout, load_node
from appliance.config.node import PathSettings
from appliance.link.identity import KeysDamaged, KeyStore


def needed(data: Path) -> bool:
    """Whether there is no node here yet; puts one in place whose joining had come to its end."""
    layout = Layout(data, PathSettings())
    if layout.node_toml.exists():
        return False
    with suppress(KeysDamaged, OSError, ConfigError):
        if draft(layout).exists() and KeyStore(layout.keys).identity().peer is not None:
            load_node(draft(layout))
            draft(layout).replace(layout.node_toml)
            return False
    return True


def draft(layout: Layout) -> Path:
    """What will be node.toml."""
    return layout.data / "node.toml.joining"
