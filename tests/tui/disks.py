"""Disks and an installation as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from appliance.control.roles import Role
from appliance.control.schema_people import SessionView
from appliance.ipc.installer import Content, Disks, DiskView, Installation
from tests.tui.new_machine import SETUP as NEW

GB = 10**9


def part(name: str, what: str, label: str, size: int) -> Content:
    """A partition."""
    return Content(name=name, what=what, label=label, size=size)


def disk(name: str, model: str, size: int, *holds: Content, **more: object) -> DiskView:
    """A disk of the machine."""
    return DiskView(
        name=name,
        model=model,
        serial=str(more.get("serial", "")),
        size=size,
        removable=False,
        holds=holds,
        kept=bool(more.get("kept")),
        problem=str(more.get("problem", "")),
    )


WINDOWS = disk(
    "sda",
    "ST1000DM010\x1b[2J",
    1000 * GB,
    part("sda1", "vfat", "SYSTEM", 104_857_600),
    part("sda2", "ntfs", "Windows \x1b]0;x\x07", 640 * GB),
    *(part(f"sda{number}", "ntfs", f"Data {number}", 40 * GB) for number in range(3, 10)),
    serial="ZN1A2B3C",
)
OLDER = disk(
    "nvme0n1",
    "Samsung SSD 980 500GB",
    500 * GB,
    part("nvme0n1p3", "ext4", "twinpost-system", 4 * GB),
    part("nvme0n1p4", "ext4", "twinpost-data", 495 * GB),
    kept=True,
)
FRESH = disk("vda", "", 20 * GB)
STICK = disk("sdb", "USB DISK 3.0", 16 * GB, problem="this is the stick that the machine runs from")
SMALL = disk("sdc", "SD Card", 4 * GB, problem="it is smaller than 8 GB")

NONE = Installation(state="none")
RUNNING = Installation(
    state="running", disk="vda", step=4, steps=7, text="Copying the system", percent=42
)
DONE = Installation(state="done", disk="vda")
FAILED = Installation(
    state="failed",
    disk="vda",
    step=6,
    steps=7,
    text="Reading back what was copied",
    cause="usr/bin/python3.13 has other contents\x1b[31m",
    hint="the disk, its cable or the stick may be bad: try another",
)
UNTOUCHED = Installation(
    state="failed", disk="vda", step=1, steps=7, text="Looking at the disk", cause="it is in use"
)
MISTAKE = Installation(
    state="failed",
    cause="twinpost-install.toml: eraze: there is no such setting",
    hint="erase? Mend it on the stick, and start again",
)
SETUP = replace(NEW, state="live", machine=None, choices=None)
LIVE: Mapping[str, object] = {
    "/sessions/current": SessionView(
        name="console", role=Role.ADMINISTRATOR, session=False, first_run=True
    ),
    "/setup": SETUP,
    "/machine/disks": Disks((WINDOWS, OLDER, FRESH, STICK, SMALL)),
    "/machine/install": NONE,
}
