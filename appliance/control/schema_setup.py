"""The control API's messages for who sets a node up."""

from __future__ import annotations

import msgspec


class InterfaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface: its Ethernet address, whether it has a carrier, its addresses.

    Addresses are written with their prefix: "192.0.2.11/24".
    """

    name: str
    hardware: str
    carrier: bool
    addresses: tuple[str, ...]


class SetupView(msgspec.Struct, frozen=True, kw_only=True):
    """What is set up, and what this machine is.

    `first_run`: there is no operator. `virtual`: addresses that move. `now`: the clock, in
    milliseconds since 1970; `clock_problem` says why it can't be right, "" if it may be.
    `time_zone` is "" if the machine has none set.
    """

    name: str
    hostname: str
    domains: tuple[str, ...]
    first_run: bool
    paired: bool
    virtual: tuple[str, ...]
    interfaces: tuple[InterfaceView, ...]
    time_zone: str
    now: int
    clock_problem: str


class SetupCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look at: whether an `address` is in use, whether `peer` (host:port) answers."""

    address: str = ""
    peer: str = ""


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """What a look said: `ok` is null if nobody can tell from here."""

    what: str
    ok: bool | None
    text: str
    hint: str = ""


class CheckList(msgspec.Struct, frozen=True):
    """In the order in which they were asked for."""

    checks: tuple[CheckView, ...]
