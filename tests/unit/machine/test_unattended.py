"""A file that installs: which disk, which machine, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.config.answers import Answers
from appliance.config.document import ConfigError, parse
from appliance.config.install_file import LEFT, NAME, InstallFile, target
from appliance.config.units import Wrong
from appliance.ipc.installer import Content, DiskView
from appliance.machine.installing import Desk
from appliance.machine.unattended import Unattended, leave
from tests.unit.machine.test_disks import EMPTY, STICK, WINDOWS, Machine

MAC = "52:54:00:12:34:56"
ANSWERED = """
name = "a"
domain = "site.example"
pair = "later"
virtual = ["192.0.2.10/24"]
[{table}.network]
interface = "eth0"
address = "192.0.2.11/24"
[{table}.administrator]
name = "anna"
password = "correct horse battery"
"""


def one_of(**other: Any) -> DiskView:
    given: dict[str, Any] = {
        "name": "vda",
        "model": "M",
        "serial": "S1",
        "size": 1,
        "removable": False,
        "holds": (),
        "kept": False,
    }
    return DiskView(**given | other)


FULL = (Content(name="vda1", what="ntfs", label="", size=1),)


@pytest.mark.parametrize(
    "text, disks, why",
    [
        ("", [one_of(holds=FULL)], "vda is not empty"),
        ("", [one_of(), one_of(name="vdb")], "more than one disk"),
        ("", [], "no disk"),
        ('disk = "S2"', [one_of()], "no disk"),
        ('disk = "vda"', [one_of(problem="it can only be read")], "can only be read"),
        ("keep = true", [one_of(holds=FULL)], "no mail that could be kept"),
    ],
)
def test_a_disk_that_is_not_plain_is_not_touched(
    text: str, disks: list[DiskView], why: str
) -> None:
    with pytest.raises(Wrong, match=why):
        target(parse(text, InstallFile, NAME), disks)


def test_the_disk() -> None:
    both = [one_of(holds=FULL), one_of(name="vdb", serial="S2", holds=FULL, kept=True)]
    assert target(parse('disk = "S2"\nerase = true', InstallFile, NAME), both).name == "vdb"
    assert target(parse('disk = "vdb"\nkeep = true', InstallFile, NAME), both).name == "vdb"
    broken = one_of(name="vdc", problem="it can only be read")
    assert target(parse("", InstallFile, NAME), [one_of(), broken]).name == "vda"


@pytest.mark.parametrize(
    "text, why",
    [
        ("erase = true\nkeep = true", "it erases and keeps"),
        ("eras = true", "erase"),
        ('[[machine]]\nhardware = "52-54-00-12-34-56"', "no hardware address"),
        (f'[[machine]]\nhardware = "{MAC}"\n[[machine]]\nhardware = "{MAC}"', "one hardware"),
        ("[answers]" + ANSWERED.format(table="answers").replace("192.0.2.11/24", "x"), "address"),
    ],
)
def test_a_mistake_is_told_before_anything_is_erased(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse(text, InstallFile, NAME)


def test_each_machine_has_its_answers() -> None:
    table = "[machine.answers]" + ANSWERED.format(table="machine.answers")
    file = parse(f'[[machine]]\nhardware = "{MAC}"\n{table}', InstallFile, NAME)
    mine = file.answers_for({MAC, "52:54:00:00:00:01"})
    assert mine is not None
    assert mine.name == "a"
    with pytest.raises(Wrong, match="none of"):
        file.answers_for({"52:54:00:00:00:02"})


class Sticks(Machine):
    """A machine with a stick's FAT, which has `text` as its file."""

    def __init__(self, folder: Path, text: str | None, *many: dict[str, Any]) -> None:
        super().__init__(folder, *many)
        self.stick = folder / "stick"
        self.networks = folder / "net"
        (self.networks / "eth0").mkdir(parents=True)
        (self.networks / "eth0/address").write_text(MAC + "\n")
        self._text = text
        self.desk = Desk(folder / "desk")

    async def __call__(self, *words: str, given: str = "") -> str:
        if words[0] == "lsblk" and "TRAN" in words[-1]:
            assert words[-1].startswith("NAME,")  # else partitions would be nobody's
            fat = {"path": "/dev/sdz3", "fstype": "vfat", "rm": False, "tran": None, "label": "T"}
            stick = {"path": "/dev/sdz", "fstype": None, "rm": True, "tran": "usb", "label": None}
            inside = fat | {"path": "/dev/vda1"}
            disk = stick | {"rm": False, "tran": None, "path": "/dev/vda", "children": [inside]}
            return json.dumps({"blockdevices": [stick | {"children": [fat]}, disk]})
        if words[0] == "mount" and words[-1] == str(self.stick) and self._text is not None:
            assert words[-2] == "/dev/sdz3", "only what is on a stick"
            (self.stick / NAME).write_text(self._text)
        return await super().__call__(*words, given=given)

    async def go(self) -> bool:
        one = Unattended(self, self.installer, self.desk, self.stick, self.networks)
        return await one.go()


async def test_without_a_file_nothing_happens(tmp_path: Path) -> None:
    machine = Sticks(tmp_path, None, EMPTY)
    assert await machine.go()
    assert machine.desk.told().state == "none"
    assert not machine.erased


async def test_with_a_file_it_is_installed_and_switched_off(tmp_path: Path) -> None:
    machine = Sticks(tmp_path, "", EMPTY, STICK)
    assert await machine.go()
    assert machine.desk.told().state == "done"
    assert machine.run[-1] == "systemctl --no-block poweroff"
    assert machine.mounted == []


async def test_a_file_that_is_wrong_erases_nothing_and_says_why(tmp_path: Path) -> None:
    machine = Sticks(tmp_path, "eras = true", WINDOWS)
    assert not await machine.go()
    told = machine.desk.told()
    assert told.state == "failed"
    assert NAME in told.cause
    assert "erase" in told.cause
    assert not machine.erased


def test_answers_are_for_the_node_alone(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib/twinpost").mkdir(parents=True)
    ours = tmp_path.stat()
    (tmp_path / "etc/passwd").write_text(f"twinpost:x:{ours.st_uid}:{ours.st_gid}::/:/\n")
    text = "[answers]" + ANSWERED.format(table="answers")
    answers = parse(text, InstallFile, NAME).answers
    assert answers is not None
    leave(tmp_path, answers)
    kept = tmp_path / "var/lib/twinpost" / LEFT
    assert kept.stat().st_mode & 0o777 == 0o600
    assert parse(kept.read_text(), Answers, LEFT) == answers
