"""The installer on the live system: what is shown, and that no disk is erased by a slip."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from appliance.control.schema import Done, Failure
from appliance.ipc.installer import Disks, Installation, StartInstallation
from tests.support.golden import check
from tests.tui import disks
from tests.tui.control import ControlServer, serving
from tests.tui.disks import LIVE
from tests.tui.screen import Seen, seen

_REFUSED = Failure(code="refused", error="vda is another disk now", hint="look at the list again")
LOOKS = {"80x24": ((80, 24), "dark"), "160x45": ((160, 45), "dark"), "ascii": ((80, 24), "ascii")}


@asynccontextmanager
async def live(folder: Path, **answers: object) -> AsyncIterator[tuple[Seen, ControlServer]]:
    """The console of a machine that runs from the stick."""
    given = {f"/machine/{name}": answer for name, answer in answers.items()}
    with serving(folder, {**LIVE, **given}) as control:
        async with seen(control.path, kiosk=True) as console:
            await console.sees("Installation from the stick")
            yield console, control


def asked(control: ControlServer, path: str) -> list[bytes]:
    return [body for method, at, body in control.asked if method == "POST" and at == path]


@pytest.mark.parametrize("look", LOOKS)
async def test_how_it_looks(look: str, tmp_path: Path) -> None:
    size, theme = LOOKS[look]

    def look_at(name: str, text: str) -> None:
        check(Path(__file__).parent / "golden" / f"installer-{name}-{look}.txt", text)
        assert text.isascii() or look != "ascii"
        assert "\x1b" not in text

    with serving(tmp_path, LIVE) as control:
        async with seen(control.path, size, theme, kiosk=True) as console:
            look_at("disks", await console.sees("and 3 more"))
            await console.press("enter")
            look_at("erase", await console.sees("will be lost:"))
            await console.press("escape", "down", "k")
            look_at("keep", await console.sees("installed anew"))
            await console.press("escape")
            for name, state, said in (
                ("running", disks.RUNNING, "42 %"),
                ("done", disks.DONE, "goes dark"),
                ("failed", disks.FAILED, "step 6"),
                ("unattended", disks.MISTAKE, "no such setting"),
            ):
                control.answers["/machine/install"] = state
                look_at(name, await console.sees(said))


async def test_a_disk_is_erased_only_by_its_name(tmp_path: Path) -> None:
    def begun(query: object, body: bytes) -> Installation:
        return disks.RUNNING if body else disks.NONE

    async with live(tmp_path, install=begun) as (console, control):
        await console.press("down", "down", "enter")
        await console.sees("Erase vda and install")
        for wrong in ("", "sda", "VDA"):
            await console.press("ctrl+u")
            if wrong:
                await console.type(wrong)
            await console.press("enter")
            await console.sees("that is not vda")
        assert asked(control, "/machine/install") == []
        await console.press("escape")
        await console.sees("Choose the disk")
        assert asked(control, "/machine/install") == []
        await console.press("enter")
        await console.type("vda")
        await console.press("enter")
        await console.sees(lambda text: bool(asked(control, "/machine/install")))
        wanted = StartInstallation(disk="vda", size=disks.FRESH.size, confirm="vda", keep=False)
        assert asked(control, "/machine/install") == [msgspec.json.encode(wanted)]


async def test_mail_of_an_earlier_installation_stays_with_k(tmp_path: Path) -> None:
    async with live(tmp_path) as (console, control):
        await console.press("k")  # nothing to keep on this one
        assert "installed anew" not in console.text()
        await console.press("down", "k")
        await console.sees("installed anew")
        await console.type("nvme0n1")
        await console.press("enter")
        await console.sees(lambda text: bool(asked(control, "/machine/install")))
        body = msgspec.json.decode(asked(control, "/machine/install")[0], type=StartInstallation)
        assert (body.disk, body.keep) == ("nvme0n1", True)


async def test_nothing_is_installed_to_the_stick_it_runs_from(tmp_path: Path) -> None:
    async with live(tmp_path) as (console, _):
        await console.press("down", "down", "down")
        await console.sees("not to this one: this is the stick")
        await console.press("enter", "k")
        assert "Choose the disk" in console.text()
        await console.press("down")
        await console.sees("not to this one: it is smaller")
        await console.press("enter")
        assert "Choose the disk" in console.text()


async def test_a_disk_that_is_refused_says_why(tmp_path: Path) -> None:
    def refused(query: object, body: bytes) -> object:
        return _REFUSED if body else disks.NONE

    async with live(tmp_path, install=refused) as (console, _):
        await console.press("down", "down", "enter")
        await console.type("vda")
        await console.press("enter")
        await console.sees("vda is another disk now")
        await console.sees("Choose the disk")


async def test_a_failure_is_read_before_a_disk_is_chosen_again(tmp_path: Path) -> None:
    async with live(tmp_path, install=disks.FAILED) as (console, control):
        await console.sees("does not start a system now")
        await console.press("enter")
        assert "not installed" in console.text()
        await console.press("r")
        await console.sees("Choose the disk")
        control.answers["/machine/install"] = disks.UNTOUCHED
        await console.sees("Nothing on any disk has been changed. Press r")


async def test_when_it_is_done_enter_restarts(tmp_path: Path) -> None:
    async with live(tmp_path, install=disks.DONE, reboot=Done("restarted")) as (console, control):
        await console.sees("take the stick out")
        await console.press("enter")
        await console.sees(lambda text: bool(asked(control, "/machine/reboot")))


async def test_while_it_runs_nothing_else_can_be_done(tmp_path: Path) -> None:
    async with live(tmp_path, install=disks.RUNNING) as (console, control):
        await console.sees("Step 4 of 7")
        for key in ("enter", "k", "r", "p", "q", "escape", "f1", "f2", "1", "ctrl+p", "ctrl+q"):
            await console.press(key)
        assert "Step 4 of 7" in console.text()
        assert not [one for one in control.asked if one[0] == "POST"]


async def test_the_machine_goes_off_when_somebody_says_so_twice(tmp_path: Path) -> None:
    async with live(tmp_path, **{"power-off": Done("off")}) as (console, control):
        await console.press("p")
        await console.sees("is switched off")
        await console.press("n")
        assert not asked(control, "/machine/power-off")
        await console.press("p", "y")
        await console.sees(lambda text: bool(asked(control, "/machine/power-off")))


async def test_a_disk_that_is_plugged_in_appears(tmp_path: Path) -> None:
    async with live(tmp_path, disks=Disks(())) as (console, control):
        await console.sees("No disk is seen")
        control.answers["/machine/disks"] = Disks((disks.FRESH,))
        await console.sees("20 GB")
