"""node.toml as the control API changes it (`control.node_settings.NodeFile`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from appliance.config import Layout, NodeSettings
from appliance.services.site import open_site
from appliance.trust.files import read, replace

_TOLD = 0.5
"""Seconds: whoever asked is told before the services end."""


class OwnFile:
    """Beside it lies what it said before. `restart` has the services start anew."""

    def __init__(self, layout: Layout, restart: Callable[[], object]) -> None:
        self._layout = layout
        self._path = layout.node_toml
        self._previous = layout.node_toml.with_name("node.toml.before")
        self._restart = restart

    def suits(self, settings: NodeSettings) -> None:
        open_site(self._layout, settings)

    def text(self) -> str:
        return self._path.read_text("utf-8", "replace")

    def before(self) -> str:
        return (read(self._previous) or b"").decode("utf-8", "replace")

    def replace(self, text: str) -> None:
        replace(self._previous, self._path.read_bytes())
        replace(self._path, text.encode("utf-8"))

    def apply(self) -> None:
        asyncio.get_running_loop().call_later(_TOLD, self._restart)
