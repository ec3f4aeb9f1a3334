"""The client's calls about the machine under the node."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.schema_machine import Name, NewClock, NewNetwork
from appliance.ipc.machine import (
    Choices,
    Done,
    InterfaceSettings,
    MachineView,
    NetworkTrial,
    Sticks,
    StickView,
)


class MachineCalls:
    """Part of `control.client.Client`. ApiError with code "refused": nobody manages the machine."""

    def machine(self: Asks) -> MachineView:
        """The machine as it is."""
        return self._get("/machine", MachineView)

    def machine_choices(self: Asks) -> Choices:
        """Which time zones and keyboards there are."""
        return self._get("/machine/choices", Choices)

    def sticks(self: Asks) -> Sequence[StickView]:
        """All sticks that are plugged in."""
        return self._get("/machine/sticks", Sticks).sticks

    def mount_stick(self: Asks, stick: str) -> StickView:
        """Mount a stick, by its id; as it stands then."""
        return self._post(f"/machine/sticks/{quote(stick, safe='')}/mount", {}, StickView)

    def unmount_stick(self: Asks, stick: str) -> str:
        """Write out what is to be written and let the stick go; returns what happened."""
        return self._post(f"/machine/sticks/{quote(stick, safe='')}/unmount", {}, Done).text

    def write_to_stick(self: Asks, stick: str, name: str, content: bytes) -> str:
        """Have the node write a file to a stick, and read it back; returns what happened."""
        path = f"/machine/sticks/{quote(stick, safe='')}/files/{quote(name, safe='')}"
        return self._upload(path, content, "application/octet-stream", Done).text

    def set_clock(self: Asks, now: int) -> str:
        """Set the clock, in milliseconds since 1970; returns what happened."""
        return self._post("/machine/clock", NewClock(now), Done).text

    def set_time_zone(self: Asks, name: str) -> str:
        """Set the time zone; returns what happened."""
        return self._post("/machine/time-zone", Name(name), Done).text

    def set_keyboard(self: Asks, name: str) -> str:
        """Set the console's keyboard; returns what happened."""
        return self._post("/machine/keyboard", Name(name), Done).text

    def set_host_name(self: Asks, name: str) -> str:
        """Name the machine; returns what happened."""
        return self._post("/machine/host-name", Name(name), Done).text

    def set_network(
        self: Asks, interfaces: Sequence[InterfaceSettings], trial: int = 120
    ) -> NetworkTrial:
        """Give interfaces their addresses, for `trial` seconds unless confirmed; 0: for good."""
        return self._post("/machine/network", NewNetwork(tuple(interfaces), trial), NetworkTrial)

    def confirm_network(self: Asks) -> str:
        """Keep what `set_network` did; returns what happened."""
        return self._post("/machine/network/confirm", {}, Done).text

    def revert_network(self: Asks) -> str:
        """Take back what `set_network` did; returns what happened."""
        return self._post("/machine/network/revert", {}, Done).text

    def restart_node(self: Asks) -> str:
        """Stop the node in order and start it again; returns what happened."""
        return self._post("/machine/restart-node", {}, Done).text

    def reboot(self: Asks) -> str:
        """Start the machine anew; returns what happened."""
        return self._post("/machine/reboot", {}, Done).text

    def power_off(self: Asks) -> str:
        """Switch the machine off; returns what happened."""
        return self._post("/machine/power-off", {}, Done).text
