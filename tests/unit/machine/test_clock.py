"""Clock and time zone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.ipc.machine import ClockState, SetClock, SetTimeZone
from appliance.machine.clock import Clock, followed
from appliance.machine.helper import HelperError
from appliance.machine.system import System
from tests.unit.machine.talk import Commands

_ZONES = """\
# version 2026a
Z Europe/Oslo 0:43 - LMT 1895
1 s CE%sT
Z Etc/GMT+5 -5 - -05
L Europe/Oslo Atlantic/Jan_Mayen
L Etc/UTC Zulu
"""
_TRACKING = "C0000202,192.0.2.2,11,1700000000.1,-0.000012345,0.1,0.2,1,2,3,4,5,64.0,Normal\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/share/zoneinfo").mkdir(parents=True)
    (tmp_path / "usr/share/zoneinfo/tzdata.zi").write_text(_ZONES)
    (tmp_path / "etc").mkdir()
    return tmp_path


async def test_the_clock_is_set_to_what_clocks_may_show(root: Path) -> None:
    shown: list[float] = []
    clock = Clock(System(root), Commands(), shown.append)
    done = await clock.set_clock(SetClock(1_800_000_000_500), print)
    assert shown == [1_800_000_000.5]
    assert "2027-01-15 08:00:00 UTC" in done.text
    for wrong in (0, -1, 1 << 62, 4_200_000_000_000):
        with pytest.raises(HelperError):
            await clock.set_clock(SetClock(wrong), print)
    assert len(shown) == 1


async def test_time_zones(root: Path) -> None:
    clock = Clock(System(root), Commands(), print)
    assert clock.zones() == ["Atlantic/Jan_Mayen", "Europe/Oslo", "UTC"]
    for _ in range(2):
        await clock.set_time_zone(SetTimeZone("Europe/Oslo"), print)
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/Europe/Oslo"
    assert (await clock.state()).time_zone == "Europe/Oslo"
    for wrong in ("../../etc/shadow", "Europe", "", "Europe/Oslo\n"):
        with pytest.raises(HelperError):
            await clock.set_time_zone(SetTimeZone(wrong), print)


async def test_what_the_clock_follows(root: Path) -> None:
    clock = Clock(System(root), Commands({"chronyc": _TRACKING}), print)
    state = await clock.state()
    assert isinstance(state, ClockState)
    assert (state.source, state.offset) == ("192.0.2.2", -0.000012345)


async def test_the_zone_that_is_set_is_one_whatever_it_is_called(root: Path) -> None:
    """Debian calls it Etc/UTC, and the first boot offers what is set."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    clock = Clock(System(root), Commands())
    assert "Etc/UTC" in clock.zones()
    await clock.set_time_zone(SetTimeZone("Etc/UTC"), print)


@pytest.mark.parametrize(
    "report", ["", "x", "00000000,,0,0.0,0.0,0", "7F7F0101,127.127.1.1,10,1.0,0.0,0"]
)
def test_what_a_clock_follows_that_follows_nothing(report: str) -> None:
    assert followed(report) == ("", None)
