"""Host name and keyboard: of an appliance, and only what there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.ipc.machine import SetHostName, SetKeyboard
from appliance.machine.helper import HelperError
from appliance.machine.names import Names, hosts
from appliance.machine.system import System
from tests.unit.machine.talk import Commands

_LAYOUTS = """\
! model
  pc105           Generic 105-key PC
! layout
  no              Norwegian
  de              German
  custom          A user-defined custom Layout
! variant
  nodeadkeys      de: German (no dead keys)
! option
  grp             Switching to another layout
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/share/X11/xkb/rules").mkdir(parents=True)
    (tmp_path / "usr/share/X11/xkb/rules/base.lst").write_text(_LAYOUTS)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 old\n")
    (tmp_path / "etc/twinpost-appliance").touch()
    return tmp_path


async def test_the_machine_gets_its_name(root: Path) -> None:
    commands = Commands()
    await Names(System(root), commands).set_host_name(SetHostName("Node-A.ship.test"), print)
    text = "127.0.0.1 localhost\n127.0.1.1 node-a.ship.test node-a\n"
    assert (root / "etc/hosts").read_text() == text
    assert hosts(text, "node-a.ship.test") == text
    assert commands.run == [("hostnamectl", "hostname", "node-a.ship.test")]


async def test_the_name_is_told_that_is_set(root: Path) -> None:
    """In the helper's sandbox the kernel goes on telling the name of before."""
    names = Names(System(root), Commands())
    assert names.host_name == os.uname().nodename
    (root / "etc/hostname").write_text("node-a.ship.test\n")
    assert names.host_name == "node-a.ship.test"


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a\n", "ä", "a..b", "a" * 64, "a/b"])
async def test_no_name_of_a_machine(root: Path, name: str) -> None:
    commands = Commands()
    with pytest.raises(HelperError):
        await Names(System(root), commands).set_host_name(SetHostName(name), print)
    assert commands.run == []


async def test_keyboards(root: Path) -> None:
    names = Names(System(root), Commands())
    assert names.keyboards() == ["de", "de:nodeadkeys", "no"]
    assert names.keyboard == ""
    for one in ("no", "de:nodeadkeys"):
        await names.set_keyboard(SetKeyboard(one), print)
        assert names.keyboard == one
    for wrong in ("custom", 'no"; reboot', "", "de:"):
        with pytest.raises(HelperError):
            await names.set_keyboard(SetKeyboard(wrong), print)


async def test_a_machine_of_somebody_else_is_left_alone(root: Path) -> None:
    (root / "etc/twinpost-appliance").unlink()
    commands = Commands()
    names = Names(System(root), commands)
    with pytest.raises(HelperError, match="not Twinpost's alone"):
        await names.set_host_name(SetHostName("node-a"), print)
    with pytest.raises(HelperError, match="not Twinpost's alone"):
        await names.set_keyboard(SetKeyboard("no"), print)
    assert commands.run == []
