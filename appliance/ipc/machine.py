"""What the root helper is asked about the machine, and what it answers.

One request a connection, as a line of JSON (`Call`). The answer is lines of JSON: any number of
`Progress`, then one `Result` or `Failed`. Families of requests that are not here derive theirs from
`Request` in modules of their own.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

SOCKET = Path("/run/twinpost-helper/helper.sock")
LINE_LIMIT = 1 << 20
"""Bytes of a request or an answer."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag=True):
    """What the helper is to do: a closed set of types, each checked again by its handler."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request, and for whom it is made, for the log."""

    by: str
    request: msgspec.Raw


class Progress(msgspec.Struct, frozen=True, tag_field="type", tag="progress"):
    """How far it is; `total` is 0 while that is not known."""

    text: str
    done: int = 0
    total: int = 0


class Result(msgspec.Struct, frozen=True, tag_field="type", tag="result"):
    """It is done."""

    value: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="failed"):
    """It was not done; `hint` says what to do."""

    cause: str
    hint: str = ""


Answer = Progress | Result | Failed


class Done(msgspec.Struct, frozen=True):
    """What has happened, for people."""

    text: str


# The machine as it is.


class GetMachine(Request, frozen=True):
    """Answered by a MachineView."""


class GetChoices(Request, frozen=True):
    """Which time zones and keyboards there are: Choices."""


class Choices(msgspec.Struct, frozen=True):
    """Names as `SetTimeZone` and `SetKeyboard` take them."""

    time_zones: tuple[str, ...]
    keyboards: tuple[str, ...]


class InterfaceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an interface is to have: addresses with their prefix ("192.0.2.11/24"), a gateway.

    No address: it is left without one.
    """

    name: str
    addresses: tuple[str, ...] = ()
    gateway: str = ""


class InterfaceState(msgspec.Struct, frozen=True, kw_only=True):
    """An interface now, and what is set for it; None: nothing of ours."""

    name: str
    hardware: str
    carrier: bool
    addresses: tuple[str, ...]
    settings: InterfaceSettings | None


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """The clock: milliseconds since 1970, the time zone's name ("" if none is set).

    `source` is what chrony follows, "" for nothing; `offset` the seconds that this clock is ahead
    of it, None if nobody can tell.
    """

    now: int
    time_zone: str
    source: str
    offset: float | None


class MachineView(msgspec.Struct, frozen=True, kw_only=True):
    """The machine under the node.

    `live`: runs from the stick, nothing is installed. `appliance`: all of the machine is
    Twinpost's; on a plain Debian network, host name and keyboard are left to who runs it.
    `trial`: seconds until a change of the network that nobody confirms is taken back, None if
    there is none. `releases`: those installed, `release` the one in use.
    """

    host_name: str
    interfaces: tuple[InterfaceState, ...]
    gateway: str
    trial: int | None
    clock: ClockState
    keyboard: str
    live: bool
    appliance: bool
    release: str
    releases: tuple[str, ...]


# Clock, names, keyboard.


class SetClock(Request, frozen=True):
    """Set the clock: milliseconds since 1970. Answered by Done."""

    now: int


class SetTimeZone(Request, frozen=True):
    """Set the time zone: "Europe/Oslo". Answered by Done."""

    name: str


class SetKeyboard(Request, frozen=True):
    """Set the console's keyboard: "no", "de:nodeadkeys". Answered by Done."""

    name: str


class SetHostName(Request, frozen=True):
    """Set the machine's name. Answered by Done."""

    name: str


# The network: a change is on trial until it is confirmed.


class SetNetwork(Request, frozen=True):
    """Give interfaces their addresses, for `trial` seconds unless confirmed; 0: for good.

    Interfaces that are not named keep what they have. Answered by a NetworkTrial.
    """

    interfaces: tuple[InterfaceSettings, ...]
    trial: int = 120


class ConfirmNetwork(Request, frozen=True):
    """Keep what SetNetwork did. Answered by Done."""


class RevertNetwork(Request, frozen=True):
    """Take back what SetNetwork did, now. Answered by Done."""


class NetworkTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of the network did, before and after, and for how many seconds."""

    before: tuple[InterfaceState, ...]
    after: tuple[InterfaceState, ...]
    trial: int


# Sticks.


class GetSticks(Request, frozen=True):
    """Answered by Sticks."""


class MountStick(Request, frozen=True):
    """Mount it, for the node to write to. Answered by a StickView."""

    id: str


class UnmountStick(Request, frozen=True):
    """Write out what is to be written, and let it go. Answered by Done."""

    id: str


class StickView(msgspec.Struct, frozen=True, kw_only=True):
    """A file system on a removable disk.

    `id` names it in requests. `folder`: where it is mounted, "" if it is not; `store`: the folder
    on it that the node may write to, "" if none is. `free` and `size` in bytes; `free` is None
    unless it is mounted. `problem`: why it can't be used, "" if it can.
    """

    id: str
    label: str
    model: str
    file_system: str
    size: int
    free: int | None
    folder: str
    store: str
    writable: bool
    problem: str = ""


class Sticks(msgspec.Struct, frozen=True):
    """All that are plugged in."""

    sticks: tuple[StickView, ...]


# Power.


class RestartNode(Request, frozen=True):
    """Stop the node in order and start it again. Answered by Done, once it has begun."""


class Reboot(Request, frozen=True):
    """Start the machine anew. Answered by Done, once it has begun."""


class PowerOff(Request, frozen=True):
    """Switch the machine off. Answered by Done, once it has begun."""
