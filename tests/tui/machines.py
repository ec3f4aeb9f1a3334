"""A machine under a node, and its sticks, as the console could get them."""

from __future__ import annotations

from msgspec.structs import replace

from appliance.ipc.machine import ClockState, Sticks, StickView
from tests.tui.new_machine import MACHINE as NEW

WHEN = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
MACHINE = replace(
    NEW,
    host_name="a",
    interfaces=(NEW.interfaces[0], replace(NEW.interfaces[1], carrier=False)),
    clock=ClockState(now=WHEN, time_zone="Europe/Oslo", source="10.9.9.2", offset=-0.0021),
    keyboard="no",
    release="1.2.3",
    releases=("1.2.2", "1.2.3"),
)
LOOSE = StickView(
    id="5A3F-11C0",
    label="BACKUP",
    model="Flash Disk",
    file_system="vfat",
    size=31_000_000_000,
    free=None,
    folder="",
    store="",
    writable=True,
)
MOUNTED = replace(
    LOOSE,
    id="77E2-09AB",
    label="evil\u202e\x1b[2J",
    free=12_000_000_000,
    folder="/media/twinpost/77E2-09AB",
    store="/media/twinpost/77E2-09AB",
)
BROKEN = replace(
    LOOSE,
    id="sdd1",
    label="",
    file_system="btrfs",
    writable=False,
    problem="btrfs: it has to be FAT, exFAT or ext4",
)
ANSWERS: dict[str, object] = {
    "/machine": MACHINE,
    "/machine/sticks": Sticks((LOOSE, MOUNTED, BROKEN)),
}
