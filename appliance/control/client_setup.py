"""Calls of whoever sets a node up."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.control.client_monitor import Asks
from appliance.control.schema_setup import CheckList, CheckView, SetupCheck, SetupView


class SetupCalls:
    """What a client asks about the machine."""

    def setup(self: Asks) -> SetupView:
        """What is set up, and what this machine is."""
        return self._get("/setup", SetupView)

    def check_setup(self: Asks, address: str = "", peer: str = "") -> Sequence[CheckView]:
        """Look whether an address is free, and whether host:port answers. Takes seconds."""
        return self._post("/setup/check", SetupCheck(address, peer), CheckList).checks
