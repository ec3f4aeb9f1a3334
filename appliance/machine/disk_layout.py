"""How an installed disk is divided, and how its partitions are made: pure.

    1  BIOS boot     1 MiB     where a BIOS finds GRUB
    2  ESP         128 MiB     where UEFI does
    3  system        4 GiB     Debian and the releases of Twinpost
    4  data       the rest     /var/lib/twinpost: mail, settings, keys

Data has a partition of its own, so that the system can be installed again without it, and so that a
full queue leaves room for an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.machine.disk_list import DATA

SYSTEM = "twinpost-system"
_ESP = "twinpost-esp"
_BIOS = "twinpost-bios"
MOUNTED_DATA = "/var/lib/twinpost"


@dataclass(frozen=True)
class Layout:
    """The partitions of a disk, by their device files."""

    disk: str

    def part(self, number: int) -> str:
        """/dev/sda3, /dev/nvme0n1p3."""
        return f"{self.disk}{'p' if self.disk[-1].isdigit() else ''}{number}"

    @property
    def esp(self) -> str:
        return self.part(2)

    @property
    def system(self) -> str:
        return self.part(3)

    @property
    def data(self) -> str:
        return self.part(4)

    def divide(self) -> Sequence[Sequence[str]]:
        """What erases the disk and divides it."""
        return (
            ("wipefs", "--all", "--force", self.disk),
            ("sgdisk", "--zap-all", self.disk),
            (
                *("sgdisk", "--set-alignment=2048"),
                *("--new=1:0:+1M", "--typecode=1:ef02", f"--change-name=1:{_BIOS}"),
                *("--new=2:0:+128M", "--typecode=2:ef00", f"--change-name=2:{_ESP}"),
                *("--new=3:0:+4G", "--typecode=3:8300", f"--change-name=3:{SYSTEM}"),
                *("--new=4:0:0", "--typecode=4:8300", f"--change-name=4:{DATA}"),
                self.disk,
            ),
            ("blockdev", "--rereadpt", self.disk),
            ("udevadm", "settle", "--timeout=30"),
        )

    def make(self, keep: bool) -> Sequence[Sequence[str]]:
        """What makes the file systems; `keep`: not that of the data."""
        made: list[Sequence[str]] = [
            ("mkfs.vfat", "-F", "32", "-n", "TWINPOSTESP", self.esp),
            ("mkfs.ext4", "-q", "-F", "-L", SYSTEM[:16], self.system),
        ]
        if not keep:
            made.append(("mkfs.ext4", "-q", "-F", "-L", DATA[:16], self.data))
        return made


def fstab(system: str, esp: str, data: str) -> str:
    """By the file systems' UUIDs: disks change their names."""
    return (
        "# Written by the installation.\n"
        f"UUID={system} / ext4 defaults,errors=remount-ro 0 1\n"
        f"UUID={data} {MOUNTED_DATA} ext4 defaults,nodev,nosuid,noexec 0 2\n"
        f"UUID={esp} /boot/efi vfat umask=0077,nodev,nosuid,noexec 0 2\n"
    )
