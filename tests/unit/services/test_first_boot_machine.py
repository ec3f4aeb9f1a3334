"""What the first boot has the root helper do, in which order, and what stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.config import Layout
from appliance.config.answers import Answers
from appliance.config.document import checked
from appliance.config.node import PathSettings
from appliance.control.helper import Helper
from appliance.control.http import NotDone
from appliance.ipc.machine import (
    Done,
    GetMachine,
    InterfaceSettings,
    NetworkTrial,
    Request,
    SetClock,
    SetHostName,
    SetKeyboard,
    SetNetwork,
    SetTimeZone,
)
from appliance.machine.helper import HelperError, Operation, Tell
from appliance.services.first_boot import Foundation
from tests.tui.new_machine import MACHINE
from tests.unit.machine.talk import Events, helping
from tests.unit.services.test_first_boot import SAID

ASKED = {
    **SAID,
    "time_zone": "Europe/Oslo",
    "keyboard": "no",
    "clock_step": 3_600_000,
    "network": {"interface": "eth0", "address": "192.0.2.11/24", "gateway": "192.0.2.1"},
    "link": {"interface": "eth1", "address": "10.9.9.1/30"},
}
_CHANGES = (SetClock, SetTimeZone, SetKeyboard, SetHostName, SetNetwork)


class Recorder:
    """Does nothing, and knows what it was asked."""

    def __init__(self, *, appliance: bool = True, refuses: type[Request] | None = None) -> None:
        self.asked: list[Request] = []
        self._appliance = appliance
        self._refuses = refuses

    def operations(self) -> Sequence[Operation[Any]]:
        get = Operation(GetMachine, self._view, 5.0, changes=False)
        return [get, *(Operation(one, self._change, 5.0, changes=True) for one in _CHANGES)]

    async def _view(self, request: GetMachine, tell: Tell) -> Any:
        return msgspec.structs.replace(MACHINE, appliance=self._appliance)

    async def _change(self, request: Request, tell: Tell) -> Any:
        if isinstance(request, self._refuses or ()):
            raise HelperError("networkd did not take it", "look at the cable")
        self.asked.append(request)
        if isinstance(request, SetNetwork):
            return NetworkTrial(before=(), after=(), trial=0)
        return Done("done")


async def founded(folder: Path, recorder: Recorder) -> Layout:
    layout = Layout(folder / "data", PathSettings())
    layout.create()
    async with helping(folder, recorder.operations(), Events()):
        founder = Foundation(layout, Helper(folder / "helper.sock"), None, asyncio.Event())
        await founder.found(checked(ASKED, Answers, "answers"), "console")
    return layout


async def test_the_machine_gets_clock_names_and_addresses_before_there_is_a_node(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    layout = await founded(tmp_path, recorder)
    clock, zone, keyboard, name, network = recorder.asked
    assert isinstance(clock, SetClock)
    assert (zone, keyboard) == (SetTimeZone("Europe/Oslo"), SetKeyboard("no"))
    assert name == SetHostName("a")
    assert network == SetNetwork(
        (
            InterfaceSettings(name="eth0", addresses=("192.0.2.11/24",), gateway="192.0.2.1"),
            InterfaceSettings(name="eth1", addresses=("10.9.9.1/30",)),
        ),
        0,
    )
    assert layout.node_toml.exists()


async def test_a_plain_debian_keeps_its_names_and_addresses(tmp_path: Path) -> None:
    recorder = Recorder(appliance=False)
    await founded(tmp_path, recorder)
    assert [type(one) for one in recorder.asked] == [SetClock, SetTimeZone]


async def test_a_machine_that_refuses_is_no_node_and_its_clock_is_not_set_twice(
    tmp_path: Path,
) -> None:
    recorder = Recorder(refuses=SetNetwork)
    with pytest.raises(NotDone, match="networkd"):
        await founded(tmp_path, recorder)
    layout = Layout(tmp_path / "data", PathSettings())
    assert not layout.node_toml.exists()
    kept = Foundation(layout, Helper(tmp_path / "x"), None, asyncio.Event()).kept()
    assert kept["clock_step"] == 0
