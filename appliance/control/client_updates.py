"""The client's calls about updates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.control.client_monitor import Asks
from appliance.control.schema_updates import (
    BundlePart,
    Bundles,
    ChosenBundle,
    FoundBundle,
    RollView,
    Updates,
    UpdateView,
)

_PART = 512 << 10


class UpdateCalls:
    """Part of `control.client.Client`."""

    def updates(self: Asks) -> Updates:
        """What the node runs, and how its updates stand."""
        return self._get("/machine/updates", Updates)

    def bundles(self: Asks) -> Sequence[FoundBundle]:
        """Those on sticks that are mounted; each is read to its end, which takes a while."""
        return self._get("/machine/bundles", Bundles).bundles

    def send_bundle(self: Asks, file: Path, told: Callable[[int], None]) -> None:
        """Give the node a bundle; `told` hears how many bytes it has. Raises OSError, too."""
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            size, offset = source.tell(), 0
            source.seek(0)
            while data := source.read(_PART):
                part = BundlePart(digest=digest, size=size, offset=offset, data=data)
                self._post("/machine/updates/part", part, dict[str, str])
                offset += len(data)
                told(offset)

    def start_update(self: Asks, bundle: ChosenBundle) -> UpdateView:
        """Update this node alone; it has begun when this returns."""
        return self._post("/machine/updates/start", bundle, UpdateView)

    def go_back(self: Asks) -> UpdateView:
        """Use the release before again; it has begun when this returns."""
        return self._post("/machine/updates/back", {}, UpdateView)

    def update_pair(self: Asks, bundle: ChosenBundle) -> RollView:
        """Update both nodes, one after the other; it has begun when this returns."""
        return self._post("/machine/updates/pair", bundle, RollView)

    def stop_roll(self: Asks) -> RollView:
        """Begin nothing more on either node."""
        return self._post("/machine/updates/pair/stop", {}, RollView)
