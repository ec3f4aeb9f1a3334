"""The client's calls about installing from the live system."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.control.client_monitor import Asks
from appliance.ipc.installer import Disks, DiskView, Installation, StartInstallation


class InstallerCalls:
    """Part of `control.client.Client`."""

    def disks(self: Asks) -> Sequence[DiskView]:
        """The machine's disks."""
        return self._get("/machine/disks", Disks).disks

    def installation(self: Asks) -> Installation:
        """How far an installation is."""
        return self._get("/machine/install", Installation)

    def install(self: Asks, wanted: StartInstallation) -> Installation:
        """Have the running live system installed; it has begun then."""
        return self._post("/machine/install", wanted, Installation)
