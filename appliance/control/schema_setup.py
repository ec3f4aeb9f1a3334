"""The control API's messages for who sets a node up."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.ipc.machine import Choices, MachineView


class InterfaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface: its Ethernet address, whether it has a carrier, its addresses.

    Addresses are written with their prefix: "192.0.2.11/24".
    """

    name: str
    hardware: str
    carrier: bool
    addresses: tuple[str, ...]


class FoundBackup(msgspec.Struct, frozen=True):
    """A backup on a stick: its whole path, whose it is, when it was made, its bytes."""

    path: str
    node: str
    at: int
    size: int


class SetupView(msgspec.Struct, frozen=True, kw_only=True):
    """What is set up, and what this machine is.

    `state`: "first boot" while the node has no settings, "live" where it runs from the installation
    stick, "configured" else. `answers` are those that were given before, without secrets.
    `backups` are those on the sticks, the newest first, if they were asked for. `progress` says
    what is being done while a backup is restored.
    `machine` and `choices` are null where nobody manages the machine.
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
    state: str = "configured"
    answers: dict[str, Any] = {}
    machine: MachineView | None = None
    choices: Choices | None = None
    backups: tuple[FoundBackup, ...] = ()
    progress: str = ""


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


class GivenAnswers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers as `appliance.config.answers.Answers` has them, as many as there are by now.

    `step` is the one that was answered last: name, network, link, virtual, join, restore,
    clock, administrator.
    """

    answers: dict[str, Any]
    step: str = ""


class WrongAnswer(msgspec.Struct, frozen=True):
    """An answer that cannot stand: `key` as "network.address", "" for how several fit together."""

    key: str
    what: str
    hint: str = ""


class AnswersView(msgspec.Struct, frozen=True):
    """What was found wrong, and what a look at the network said of the step."""

    wrong: tuple[WrongAnswer, ...]
    checks: tuple[CheckView, ...] = ()
