"""The control API's messages about the machine; what it answers is in `appliance.ipc.machine`."""

from __future__ import annotations

import msgspec

from appliance.ipc.machine import InterfaceSettings


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a time zone, a keyboard, or the machine."""

    name: str


class NewClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clock, in milliseconds since 1970."""

    now: int


class NewNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What interfaces are to have, on trial for so many seconds; 0: for good."""

    interfaces: tuple[InterfaceSettings, ...]
    trial: int = 120
