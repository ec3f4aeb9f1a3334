"""Installs the running live system to a disk.

The steps, in order; a power cut in one of them leaves:

    look      the disk as it was
    divide    no boot loader and no table, or an empty table: it plainly does not boot
    make      the same
    copy      the same: the boot loader comes last
    settle    the same
    verify    the same
    boot      a BIOS or UEFI that finds GRUB finds everything

With `keep` the table stays, the old boot loader is erased instead, and of the data only its journal
is replayed. The machine's names and addresses come over from the old system, if it can be read.

**Commit point:** `boot`. Before `divide` nothing of the disk has changed; after it, install again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.ipc.installer import DiskView, StartInstallation
from appliance.machine import carried, disk_list, same
from appliance.machine.command import Run, Watch
from appliance.machine.disk_layout import MOUNTED_DATA, Layout, fstab
from appliance.machine.helper import HelperError

STEPS = ("look", "divide", "make", "copy", "settle", "verify", "boot")
_TEXTS = {
    "look": "Looking at the disk",
    "divide": "Dividing the disk",
    "make": "Making file systems",
    "copy": "Copying the system",
    "settle": "Writing what is this machine's own",
    "verify": "Reading back what was copied",
    "boot": "Making the disk bootable",
}
SETTLED = ("etc/fstab", "boot/grub", "boot/efi", "var/lib/twinpost")
"""What may differ from the live system."""
_SEEN_BY_GRUB = ("dev", "proc", "sys")
_BAD = "the disk, its cable or the stick may be bad: try another"
_BOOT_CODE = bytes(440)  # of an MBR; the table is behind it

Tell = Callable[[str, str, int], None]
"""A step, a text for people, and how much of it is done in percent."""


@dataclass(frozen=True)
class Places:
    """Where the live system has its parts."""

    packed: Path = Path("/run/live/medium/live/filesystem.squashfs")
    unpacked: Path = Path("/run/live/rootfs/filesystem.squashfs")
    target: Path = Path("/run/twinpost-helper/target")

    @property
    def live(self) -> bool:
        """Whether this machine runs from a stick."""
        return self.packed.exists()


class DiskInstaller:
    """Lists disks and installs to one."""

    def __init__(self, run: Run, watch: Watch, places: Places) -> None:
        self._run = run
        self._watch = watch
        self._places = places

    async def disks(self) -> list[DiskView]:
        """All of the machine's. Raises HelperError."""
        said = await self._run("lsblk", "--json", "--bytes", "--output", disk_list.COLUMNS)
        try:
            return list(disk_list.disks(said))
        except msgspec.MsgspecError as error:
            raise HelperError(f"lsblk says what nobody understands: {error}") from None

    async def check(self, wanted: StartInstallation) -> DiskView:
        """The disk, if all is as the caller saw it. Raises HelperError."""
        if not self._places.live:
            raise HelperError("nothing is installed from here", "start from Twinpost's stick")
        found = {one.name: one for one in await self.disks()}
        if (disk := found.get(wanted.disk)) is None:
            raise HelperError(f"there is no disk {wanted.disk}", "look at the list of disks again")
        if disk.problem:
            raise HelperError(f"{disk.name}: {disk.problem}", "choose another disk")
        if disk.size != wanted.size:
            raise HelperError(f"{disk.name} is another disk now", "look at the list again")
        if wanted.confirm != disk.name:
            raise HelperError("it is not confirmed", f"say the disk's name, {disk.name}")
        if wanted.keep and not disk.kept:
            raise HelperError(f"{disk.name} has no mail that could be kept", "install it anew")
        return disk

    async def install(
        self, wanted: StartInstallation, tell: Tell, own: Callable[[Path], None]
    ) -> None:
        """All steps; `own` writes this machine's settings below the new root.

        Raises HelperError, OSError.
        """
        tell("look", _TEXTS["look"], 0)
        disk = await self.check(wanted)
        layout = Layout(f"/dev/{disk.name}")
        before = await self._before(layout) if wanted.keep else ()
        tell("divide", _TEXTS["divide"], 0)
        if wanted.keep:
            await asyncio.to_thread(_erase_boot_code, Path(layout.disk))
        else:
            await self._all(layout.divide())
        tell("make", _TEXTS["make"], 0)
        await self._all(layout.make(wanted.keep))
        target = self._places.target
        target.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as mounted:
            await self._mount(mounted, target, layout.system)
            await self._copy(target, tell)
            tell("settle", _TEXTS["settle"], 0)
            await self._settle(mounted, layout, target, own)
            await self._verify(target, tell)
            await asyncio.to_thread(carried.put, target, before)
            await self._boot(mounted, layout, target, tell)
        await self._run("blockdev", "--flushbufs", layout.disk)
        tell("boot", "Installed", 100)

    async def _before(self, layout: Layout) -> Sequence[carried.Carried]:
        """What the earlier installation knew of its machine: nothing if it can't be read."""
        target = self._places.target
        target.mkdir(parents=True, exist_ok=True)
        options = ("-t", "ext4", "-o", "ro,noload,nosuid,nodev,noexec")
        with suppress(HelperError):
            async with AsyncExitStack() as mounted:
                await self._mount(mounted, target, layout.system, *options)
                return await asyncio.to_thread(carried.taken, target)
        return ()

    async def _all(self, commands: Sequence[Sequence[str]]) -> None:
        for words in commands:
            await self._run(*words)

    async def _mount(self, mounted: AsyncExitStack, where: Path, what: str, *options: str) -> None:
        await self._run("mount", *options, what, str(where))
        mounted.push_async_callback(self._run, "umount", str(where))

    async def _copy(self, target: Path, tell: Tell) -> None:
        def line(said: str) -> None:
            if said.isdigit():
                tell("copy", _TEXTS["copy"], int(said))

        tell("copy", _TEXTS["copy"], 0)
        packed = str(self._places.packed)
        await self._watch("unsquashfs", "-f", "-percentage", "-d", str(target), packed, line=line)

    async def _settle(
        self,
        mounted: AsyncExitStack,
        layout: Layout,
        target: Path,
        own: Callable[[Path], None],
    ) -> None:
        """What differs from machine to machine: what is mounted, and its answers."""
        for folder, device in ((MOUNTED_DATA[1:], layout.data), ("boot/efi", layout.esp)):
            (target / folder).mkdir(parents=True, exist_ok=True)
            await self._mount(mounted, target / folder, device)
        ids = [await self._uuid(device) for device in (layout.system, layout.esp, layout.data)]
        (target / "etc/fstab").write_text(fstab(*ids), encoding="ascii")
        await asyncio.to_thread(own, target)

    async def _uuid(self, device: str) -> str:
        said = await self._run("blkid", "--probe", "--match-tag", "UUID", "--output=value", device)
        return said.strip()

    async def _verify(self, target: Path, tell: Tell) -> None:
        shown = -1

        def told(done: int, total: int) -> None:
            nonlocal shown
            percent = done * 100 // max(total, 1)
            if percent > shown:
                shown = percent
                loop.call_soon_threadsafe(tell, "verify", _TEXTS["verify"], percent)

        loop = asyncio.get_running_loop()
        tell("verify", _TEXTS["verify"], 0)
        await self._run("sync", "--file-system", str(target))
        try:
            unpacked = self._places.unpacked
            await asyncio.to_thread(same.compare, unpacked, target, SETTLED, told)
        except same.Different as error:
            raise HelperError(f"what was copied reads back otherwise: {error}", _BAD) from None

    async def _boot(
        self, mounted: AsyncExitStack, layout: Layout, target: Path, tell: Tell
    ) -> None:
        """GRUB for BIOS and for UEFI: what the machine does not need does no harm."""
        tell("boot", _TEXTS["boot"], 0)
        for folder in _SEEN_BY_GRUB:
            await self._mount(mounted, target / folder, f"/{folder}", "--bind")
        (target / "boot/grub").mkdir(parents=True, exist_ok=True)
        inside = ("chroot", str(target))
        await self._run(*inside, "update-grub")
        uefi = ("--target=x86_64-efi", "--efi-directory=/boot/efi", "--removable", "--no-nvram")
        await self._run(*inside, "grub-install", *uefi)
        tell("boot", _TEXTS["boot"], 60)
        await self._run(*inside, "grub-install", "--target=i386-pc", layout.disk)


def _erase_boot_code(disk: Path) -> None:
    with disk.open("r+b", buffering=0) as opened:
        opened.write(_BOOT_CODE)
        os.fsync(opened.fileno())
