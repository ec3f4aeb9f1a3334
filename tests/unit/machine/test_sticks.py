"""Sticks are mounted so that nothing on them runs, and never what is no stick."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from appliance.ipc.machine import GetSticks, MountStick, StickView, UnmountStick
from appliance.machine.helper import HelperError
from appliance.machine.sticks import StickKeeper

FAT: dict[str, Any] = {
    "path": "/dev/sdb1",
    "type": "part",
    "rm": True,
    "ro": False,
    "tran": None,
    "hotplug": True,
    "fstype": "vfat",
    "label": "BACKUP\u001b[2J",
    "uuid": "1A2B-3C4D",
    "size": 1 << 30,
    "fsavail": "1000",
    "mountpoints": [None],
    "model": None,
}
STICK = FAT | {"path": "/dev/sdb", "type": "disk", "tran": "usb", "fstype": None, "uuid": None}
EXT4 = STICK | {"path": "/dev/sdc", "fstype": "ext4", "uuid": "ab" * 16}
SYSTEM = EXT4 | {"path": "/dev/sda", "rm": False, "hotplug": False, "tran": "sata"}


class Disks:
    """What lsblk says, and a systemd-mount that mounts there."""

    def __init__(self, folder: Path, *disks: dict[str, Any]) -> None:
        self.disks = json.loads(json.dumps(disks))
        self.run: list[tuple[str, ...]] = []
        self.keeper = StickKeeper(self, os.getuid(), os.getgid(), folder=folder)

    async def __call__(self, *words: str, given: str = "") -> str:
        if words[0] == "lsblk":
            assert words[-1].startswith("NAME,")  # lsblk 2.38 and 2.41 list all flat without it
            return json.dumps({"blockdevices": self.disks})
        self.run.append(words)
        if words[0] == "systemd-mount":
            for disk in self.disks:
                for one in [disk, *disk.get("children", ())]:
                    if one["path"] == words[-2]:
                        one["mountpoints"] = [words[-1]]
                        os.makedirs(words[-1])
        return ""

    async def all(self) -> list[StickView]:
        return list((await self.keeper.all(GetSticks(), print)).sticks)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def put_link(path: Path, target: Path) -> None:
    path.rmdir()
    path.symlink_to(target)


async def test_sticks_are_what_can_be_pulled_out(tmp_path: Path) -> None:
    disks = Disks(tmp_path, SYSTEM, STICK | {"children": [FAT]}, EXT4, STICK | {"size": 0})
    found = await disks.all()
    assert [one.id for one in found] == ["1A2B-3C4D", "ab" * 16]
    assert [one.problem for one in found] == ["", ""]
    assert "\x1b" not in found[0].label


async def test_a_stick_without_owners_is_the_nodes(tmp_path: Path) -> None:
    disks = Disks(tmp_path, STICK | {"children": [FAT]})
    stick = await disks.keeper.mount(MountStick("1A2B-3C4D"), print)
    assert stick.folder == stick.store == f"{tmp_path}/1A2B-3C4D"
    (words,) = disks.run
    options = next(one for one in words if one.startswith("--options=")).split("=", 1)[1].split(",")
    assert {"nosuid", "nodev", "noexec", f"uid={os.getuid()}"} <= set(options)
    assert words[-3:] == ("--", "/dev/sdb1", stick.folder)
    await disks.keeper.mount(MountStick("1A2B-3C4D"), print)
    assert len(disks.run) == 1
    await disks.keeper.unmount(UnmountStick("1A2B-3C4D"), print)
    assert disks.run[1:] == [
        ("sync", "--file-system", stick.folder),
        ("systemd-umount", stick.folder),
    ]


async def test_a_stick_with_owners_has_a_folder_of_the_nodes(tmp_path: Path) -> None:
    disks = Disks(tmp_path, EXT4)
    stick = await disks.keeper.mount(MountStick(EXT4["uuid"]), print)
    store = Path(stick.store)
    assert store.parent == Path(stick.folder)
    assert mode(store) == 0o700
    # A stick that somebody has prepared: nothing elsewhere changes its owner.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    put_link(store, elsewhere)
    with pytest.raises(HelperError, match="is no folder"):
        await disks.keeper.mount(MountStick(EXT4["uuid"]), print)
    assert mode(elsewhere) == 0o755


@pytest.mark.parametrize(
    "wrong",
    [
        {"fstype": None},
        {"fstype": "LVM2_member"},
        {"uuid": None},
        {"uuid": "../../etc"},
        {"mountpoints": ["/"]},
        {"mountpoints": ["/home/somebody"]},
    ],
)
async def test_what_cannot_be_used_says_why(tmp_path: Path, wrong: dict[str, Any]) -> None:
    disks = Disks(tmp_path, EXT4 | wrong)
    (stick,) = await disks.all()
    assert stick.problem
    with pytest.raises(HelperError):
        await disks.keeper.mount(MountStick(stick.id), print)
    assert disks.run == []


async def test_no_other_disk_is_mounted(tmp_path: Path) -> None:
    disks = Disks(tmp_path, SYSTEM)
    for name in (SYSTEM["uuid"], "sda", "/dev/sda", "", "--help"):
        with pytest.raises(HelperError, match="no such stick"):
            await disks.keeper.mount(MountStick(name), print)
    assert disks.run == []


async def test_a_foreign_file_system_is_only_read(tmp_path: Path) -> None:
    disks = Disks(tmp_path, EXT4 | {"fstype": "ntfs", "uuid": "01D9ABCDEF012345"})
    stick = await disks.keeper.mount(MountStick("01D9ABCDEF012345"), print)
    assert (stick.writable, stick.store) == (False, "")
    assert "ro" in next(one for one in disks.run[0] if "options" in one).split(",")
    assert "--type=ntfs3" in disks.run[0]
