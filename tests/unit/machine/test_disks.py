"""The installation never takes the wrong disk, and a step that fails leaves none that boots."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.ipc.installer import Installation, StartInstallation
from appliance.machine.disk_layout import Layout, fstab
from appliance.machine.disk_list import DATA, disks
from appliance.machine.disks import STEPS, DiskInstaller, Places
from appliance.machine.helper import HelperError
from appliance.machine.install import installed, nothing
from appliance.machine.installing import Desk, Installing

SIZE = 20_000_000_000


def disk(name: str, *children: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A disk as lsblk tells it."""
    empty = {"model": "QEMU \u001b[2JDISK", "serial": None, "fstype": None, "label": None}
    common = {"partlabel": None, "mountpoints": [None], "rm": False, "ro": False}
    return {"name": name, "type": "disk", "size": SIZE, **empty, **common, **other} | (
        {"children": list(children)} if children else {}
    )


def part(name: str, **other: Any) -> dict[str, Any]:
    """A partition."""
    return disk(name, type="part", **other)


STICK = disk("sdz", part("sdz1", mountpoints=["/run/live/medium"], fstype="iso9660"), rm=True)
EMPTY = disk("vda")
WINDOWS = disk("vdb", part("vdb1", fstype="ntfs", label="Win\u202edows"))
OURS = disk("vdc", part("vdc3", fstype="ext4"), part("vdc4", fstype="ext4", partlabel=DATA))


def listed(*many: dict[str, Any]) -> str:
    return json.dumps({"blockdevices": list(many)})


def test_what_a_disk_has_is_told_and_cannot_change_the_screen() -> None:
    view = disks(listed(WINDOWS))[0]
    assert [(one.name, one.what) for one in view.holds] == [("vdb1", "ntfs")]
    assert "\u202e" not in view.holds[0].label
    assert "\u001b" not in view.model
    assert (view.problem, view.kept) == ("", False)
    assert disks(listed(OURS))[0].kept


@pytest.mark.parametrize(
    "one, why",
    [
        (STICK, "the stick that the machine runs from"),
        (disk("vda", part("vda1", mountpoints=["/srv"])), "it is in use: /srv"),
        (disk("vda", ro=True), "only be read"),
        (disk("vda", size=4_000_000_000), "smaller than 8 GB"),
    ],
)
def test_what_cannot_be_installed_to(one: dict[str, Any], why: str) -> None:
    assert why in disks(listed(one))[0].problem


def test_partitions_of_disks_that_end_in_a_digit() -> None:
    assert Layout("/dev/sda").data == "/dev/sda4"
    assert Layout("/dev/nvme0n1").data == "/dev/nvme0n1p4"


def test_mounts_are_by_uuid() -> None:
    assert "UUID=d /var/lib/twinpost ext4" in fstab("s", "e", "d")


class Machine:
    """Programs that do nothing but be written down; `fails` names the one that fails."""

    def __init__(self, folder: Path, *many: dict[str, Any], fails: str = "") -> None:
        self.run: list[str] = []
        self.mounted: list[str] = []
        self._listed = listed(*many)
        self._fails = fails
        packed, unpacked = folder / "packed", folder / "unpacked"
        packed.write_bytes(b"")
        (unpacked / "etc").mkdir(parents=True)
        (unpacked / "etc/hosts").write_text("127.0.0.1 localhost")
        (unpacked / "etc/fstab").write_text("of the live system")
        self.target = folder / "target"
        self.unpacked = unpacked
        places = Places(packed, unpacked, self.target)
        self.installer = DiskInstaller(self, self.watch, places)
        self.told: list[Installation] = []

    async def __call__(self, *words: str, given: str = "") -> str:
        line = " ".join(words)
        if words[0] == "lsblk":
            return self._listed
        self.run.append(line)
        if self._fails and self._fails in line:
            raise HelperError(f"{words[0]}: Input/output error")
        if words[0] == "mount":
            self.mounted.append(words[-1])
        if words[0] == "umount":
            assert self.mounted.pop() == words[-1]
        return "uuid\n"

    async def watch(self, *words: str, line: Callable[[str], None]) -> None:
        self.run.append(words[0])
        (self.target / "etc").mkdir(parents=True)
        (self.target / "etc/hosts").write_text("127.0.0.1 localhost")
        line("Parallel unsquashfs")
        line("50")

    async def install(self, **other: Any) -> bool:
        wanted: dict[str, Any] = {"disk": "vda", "size": SIZE, "confirm": "vda"} | other
        return await installed(
            self.installer, StartInstallation(**wanted), self.told.append, nothing
        )

    @property
    def erased(self) -> bool:
        return any("wipefs" in one or "mkfs" in one for one in self.run)


async def test_an_installation_goes_through_its_steps_and_lets_the_disk_go(tmp_path: Path) -> None:
    machine = Machine(tmp_path, EMPTY)
    assert await machine.install()
    assert machine.told[-1] == Installation(state="done", disk="vda")
    steps = [one.step for one in machine.told if one.state == "running"]
    assert steps == sorted(steps)
    assert set(steps) | {1} == set(range(1, len(STEPS) + 1))
    assert 50 in [one.percent for one in machine.told]
    assert machine.mounted == []
    # The boot loader comes last: whatever breaks before, the disk plainly does not boot.
    at = next(i for i, one in enumerate(machine.run) if "grub-install --target=i386-pc" in one)
    assert all("umount" in one or "blockdev" in one for one in machine.run[at + 1 :])


@pytest.mark.parametrize(
    "fails",
    ["wipefs", "sgdisk", "mkfs.ext4", "mount", "blkid", "update-grub", "--efi-directory"],
)
async def test_a_step_that_fails_is_told_and_leaves_nothing_mounted(
    tmp_path: Path, fails: str
) -> None:
    machine = Machine(tmp_path, EMPTY, fails=fails)
    assert not await machine.install()
    assert machine.told[-1].state == "failed"
    assert "Input/output error" in machine.told[-1].cause
    assert machine.mounted == []
    assert not any("i386-pc" in one for one in machine.run)


async def test_what_reads_back_otherwise_is_no_installation(tmp_path: Path) -> None:
    machine = Machine(tmp_path, EMPTY)
    (machine.unpacked / "etc/hosts").write_text("127.0.0.1 localhosu")
    assert not await machine.install()
    assert machine.told[-1].cause.endswith("etc/hosts has other contents")
    assert not any("grub-install" in one for one in machine.run)


@pytest.mark.parametrize(
    "asked, why",
    [
        ({"confirm": "vdb"}, "not confirmed"),
        ({"disk": "vdx", "confirm": "vdx"}, "there is no disk vdx"),
        ({"size": SIZE + 1}, "another disk now"),
        ({"disk": "sdz", "confirm": "sdz"}, "the stick that the machine runs from"),
        ({"keep": True}, "no mail that could be kept"),
    ],
)
async def test_a_disk_that_is_not_what_was_shown_stays_as_it_is(
    tmp_path: Path, asked: dict[str, Any], why: str
) -> None:
    machine = Machine(tmp_path, EMPTY, STICK)
    assert not await machine.install(**asked)
    assert why in machine.told[-1].cause
    assert machine.run == []


async def test_mail_that_is_kept_is_never_formatted(tmp_path: Path) -> None:
    machine = Machine(tmp_path, OURS)
    # There is no /dev/vdc: it stops where it would erase the old boot code, and erased nothing.
    assert not await machine.install(disk="vdc", confirm="vdc", keep=True)
    assert "/dev/vdc" in machine.told[-1].cause
    assert not machine.erased
    layout = Layout("/dev/vdc")
    made = [words for words in layout.make(keep=True) if words[0].startswith("mkfs")]
    assert [words[-1] for words in made] == [layout.esp, layout.system]


async def test_nothing_is_installed_from_an_installed_system(tmp_path: Path) -> None:
    machine = Machine(tmp_path, EMPTY)
    (tmp_path / "packed").unlink()
    assert not await machine.install()
    assert machine.told[-1].hint == "start from Twinpost's stick"


async def test_an_installation_that_was_killed_is_not_under_way(tmp_path: Path) -> None:
    machine, desk = Machine(tmp_path, EMPTY), Desk(tmp_path / "desk")
    desk.tell(Installation(state="running", disk="vda", step=4, steps=7))
    installing = Installing(machine.installer, machine, desk)
    look = next(one for one in installing.operations() if one.request.__name__ == "GetInstallation")
    state = await look.run(msgspec.convert({}, look.request), print)
    assert isinstance(state, Installation)
    assert (state.state, state.step) == ("failed", 4)
