"""Fixed answers of a machine that is no node yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.config import ConfigError
from appliance.config.answers import Answers
from appliance.config.document import checked
from appliance.control.first_boot import completed
from appliance.control.roles import Role
from appliance.control.schema import Done, Failure
from appliance.control.schema_people import SessionView
from appliance.control.schema_setup import (
    AnswersView,
    CheckView,
    FoundBackup,
    GivenAnswers,
    InterfaceView,
    SetupView,
    WrongAnswer,
)
from appliance.ipc.machine import Choices, ClockState, InterfaceState, MachineView

NOW = 1_796_000_000_000
CODE = "29CEF-RYN8Y-GAHZ1-MRVY7-AHT63-PH00R-1GE5M-R9ERV-B9E7S-P327P"
BUSY, FREE = "192.0.2.10", "192.0.2.20"
_INTERFACES = (
    ("eth0", "52:54:00:00:00:01", True, ("192.0.2.11/24", "fe80::1/64")),
    ("eth1", "52:54:00:00:00:02", True, ()),
)
MACHINE = MachineView(
    host_name="twinpost",
    interfaces=tuple(
        InterfaceState(name=name, hardware=mac, carrier=up, addresses=own, settings=None)
        for name, mac, up, own in _INTERFACES
    ),
    gateway="192.0.2.1",
    trial=None,
    clock=ClockState(now=NOW, time_zone="Etc/UTC", source="", offset=None),
    keyboard="us",
    live=False,
    appliance=True,
    release="1.0",
    releases=("1.0",),
)
SETUP = SetupView(
    name="",
    hostname="",
    domains=(),
    first_run=True,
    paired=False,
    virtual=(),
    interfaces=tuple(
        InterfaceView(name=name, hardware=mac, carrier=up, addresses=own)
        for name, mac, up, own in _INTERFACES
    ),
    time_zone="Etc/UTC",
    now=NOW,
    clock_problem="",
    state="first boot",
    machine=MACHINE,
    choices=Choices(("Etc/UTC", "Europe/Berlin", "Europe/Oslo"), ("de", "no", "us")),
)

BACKUPS = tuple(
    FoundBackup(f"/media/twinpost/77E2-09AB/twinpost-a-00000{number}.backup", "a", NOW, 123_456)
    for number in (7, 6)
)


def look(query: Mapping[str, Any], body: bytes) -> AnswersView:
    """As the node does it, on a network in which `BUSY` is taken and nobody is at `BUSY`:2527."""
    given = msgspec.json.decode(body, type=GivenAnswers)
    try:
        checked(completed(given.answers), Answers, "answers")
    except ConfigError as error:
        return AnswersView(
            tuple(WrongAnswer(one.key, one.what, one.hint) for one in error.problems)
        )
    return AnswersView((), tuple(_checks(given)))


def _checks(given: GivenAnswers) -> list[CheckView]:
    said = given.answers
    match given.step:
        case "virtual":
            return [_free(one.partition("/")[0]) for one in said["virtual"]]
        case "clock" if said.get("clock_step", 0) < -1_000_000_000_000:
            return [CheckView(what="the clock", ok=False, text="that is before this release")]
        case "join" if said["join"]["at"] == f"{BUSY}:2527":
            hint = "is it switched on, in the same network, and is the address right?"
            what = f"{BUSY}:2527 answers"
            return [CheckView(what=what, ok=False, text="no answer: not in time", hint=hint)]
    return []


def _free(address: str) -> CheckView:
    what = f"{address} is free"
    if address == BUSY:
        text = "another machine has it, with the hardware address 52:54:00:00:00:99"
        return CheckView(what=what, ok=False, text=text, hint="choose another one")
    return CheckView(what=what, ok=True, text="nobody answers for it")


REFUSED = Failure(
    code="refused",
    error="the code is not the one that was printed: 4 more tries",
    hint="is this an older code?",
)
ANSWERS: dict[str, object] = {
    "/sessions/current": SessionView(
        name="twinpost-console", role=Role.ADMINISTRATOR, session=False, first_run=True
    ),
    "/setup": lambda query, body: Done("Node a starts.") if body else SETUP,
    "/setup/answers": look,
}
