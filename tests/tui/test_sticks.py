"""What a node's own screen writes goes to a stick, which can be pulled out afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from appliance.control.schema import Failure
from appliance.control.schema_backups import Backups
from appliance.control.schema_reports import ReportKey
from appliance.ipc.machine import Done, Sticks
from tests.tui.control import ControlServer, serving
from tests.tui.machines import LOOSE, MOUNTED
from tests.tui.screen import Seen, joined, seen
from tests.tui.values import ANSWERS

FILE = f"/machine/sticks/{LOOSE.id}/files/twinpost-a.pub"
UNMOUNT = f"/machine/sticks/{LOOSE.id}/unmount"
KEY = "the key, in letters"
NOWHERE = Backups(target="", keep=7, files=(), problem="", running=None, last=None)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlServer]:
    with serving(tmp_path, ANSWERS) as server:
        server.answers["/machine/sticks"] = Sticks((replace(LOOSE, label="REPORTS"),))
        server.answers["/reports/key"] = ReportKey(KEY)
        server.answers[FILE] = Done("it is there")
        server.answers[UNMOUNT] = Done("it may be pulled out")
        yield server


async def exported(console: Seen) -> None:
    console.console.kiosk = True
    await console.go("reports")
    await console.press("k")


async def test_it_is_written_and_the_stick_let_go(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await exported(console)
        await console.sees("There is REPORTS.")
        await console.press("end", "ctrl+u")
        await console.type("OTHER")
        await console.press("enter")
        await console.sees("there is no such stick")
        await console.press("end", "ctrl+u")
        await console.type("REPORTS")
        await console.press("enter")
        await console.sees(lambda text: "stick can be pulled out." in joined(text))
    posted = [(path, body) for method, path, body in control.asked if method == "POST"]
    assert [path for path, _ in posted] == [FILE, UNMOUNT]
    assert posted[0][1] == KEY.encode()


async def test_a_full_stick_is_told(control: ControlServer) -> None:
    control.answers[FILE] = Failure(
        code="refused", error="No space left on device", hint="take a stick with room"
    )
    async with seen(control.path) as console:
        await exported(console)
        await console.sees("There is REPORTS.")
        await console.press("enter")
        await console.sees("No space left on device")
    assert UNMOUNT not in [path for _, path, _ in control.asked]


async def test_one_that_was_mounted_before_stays_mounted(control: ControlServer) -> None:
    control.answers["/machine/sticks"] = Sticks((MOUNTED,))
    control.answers[f"/machine/sticks/{MOUNTED.id}/files/twinpost-a.pub"] = Done("it is there")
    async with seen(control.path, (120, 40)) as console:
        await exported(console)
        await console.sees(f"There is {MOUNTED.id}.")  # its label is nothing to type
        await console.press("enter")
        await console.sees(lambda text: "still mounted" in joined(text))


async def test_without_a_stick_one_is_asked_for(control: ControlServer) -> None:
    control.answers["/machine/sticks"] = Sticks((replace(LOOSE, problem="it is locked"),))
    async with seen(control.path) as console:
        await exported(console)
        await console.sees(lambda text: "Put one in" in joined(text))


async def test_a_backup_is_offered_the_folder_on_a_stick(control: ControlServer) -> None:
    control.answers["/backups"] = NOWHERE
    control.answers[f"/machine/sticks/{LOOSE.id}/mount"] = MOUNTED
    async with seen(control.path, (120, 40)) as console:
        console.console.kiosk = True
        await console.go("backups")
        await console.sees("plug a stick in")
        for key in "nf":
            await console.press(key)
            await console.sees(MOUNTED.store)
            await console.press("escape")


async def test_a_backup_without_a_stick_is_asked_a_folder(control: ControlServer) -> None:
    control.answers["/backups"] = NOWHERE
    control.answers["/machine/sticks"] = Failure(
        code="unavailable", error="the helper does not answer", hint="see its log"
    )
    async with seen(control.path, (120, 40)) as console:
        console.console.kiosk = True
        await console.go("backups")
        await console.press("n")
        await console.sees("In the folder, on the node:")
        await console.sees("the helper does not answer")
