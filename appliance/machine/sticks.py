"""Sticks: file systems on removable disks, mounted so that nothing on them can run or count.

Mounting is left to systemd (`systemd-mount`): the helper itself has a view of the file system of
its own, and a stick that is pulled out is unmounted by systemd when its device goes.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from appliance.decoding import from_json
from appliance.ipc.machine import (
    Done,
    GetSticks,
    MountStick,
    Sticks,
    StickView,
    UnmountStick,
)
from appliance.machine.command import Run
from appliance.machine.helper import HelperError, Operation, Tell
from appliance.mail.visible import visible

FOLDER = Path("/media/twinpost")
# Without NAME lsblk says nothing of which partition is whose.
_COLUMNS = "NAME,PATH,TYPE,RM,RO,TRAN,HOTPLUG,FSTYPE,LABEL,UUID,SIZE,FSAVAIL,MOUNTPOINTS,MODEL"
_SAFE = ("nosuid", "nodev", "noexec", "noatime")
_OWNED = frozenset({"vfat", "exfat"})
"""File systems without owners: all on them is the node's."""
_READ_ONLY = frozenset({"ntfs", "iso9660", "udf"})
_KERNEL = {"ntfs": "ntfs3"}
_KNOWN = _OWNED | _READ_ONLY | {"ext4"}
_STORE = "twinpost"
"""The node's folder on a stick whose files have owners."""
_ID = re.compile(r"[0-9A-Za-z-]{4,40}")
_MOST = 64
_TEXT = 40
_LOOK, _MOUNT, _UNMOUNT = 20.0, 90.0, 600.0


class _Device(msgspec.Struct, frozen=True):
    """A line of lsblk's; children are partitions."""

    path: str
    type: str
    rm: bool
    ro: bool
    size: int
    hotplug: bool = False
    tran: str | None = None
    fstype: str | None = None
    label: str | None = None
    uuid: str | None = None
    fsavail: int | str | None = None
    mountpoints: tuple[str | None, ...] = ()
    model: str | None = None
    children: tuple[_Device, ...] = ()


class _Report(msgspec.Struct, frozen=True):
    blockdevices: tuple[_Device, ...]


class StickKeeper:
    """The handlers. What is mounted belongs to `user` and `group`; `types`: of disks that count."""

    def __init__(
        self,
        run: Run,
        user: int,
        group: int,
        types: Sequence[str] = ("disk", "rom"),
        folder: Path = FOLDER,
    ) -> None:
        self._run = run
        self._user = user
        self._group = group
        self._types = types
        self._folder = folder

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(GetSticks, self.all, _LOOK, changes=False),
            Operation(MountStick, self.mount, _MOUNT, changes=True),
            Operation(UnmountStick, self.unmount, _UNMOUNT, changes=True),
        )

    async def all(self, request: GetSticks, tell: Tell) -> Sticks:
        return Sticks(tuple(one for _, one in await self._found()))

    async def mount(self, request: MountStick, tell: Tell) -> StickView:
        device, stick = await self._named(request.id)
        if stick.problem:
            raise HelperError(stick.problem, "take another stick")
        if not stick.folder:
            options = [*_SAFE, "ro"] if not stick.writable else list(_SAFE)
            if stick.file_system in _OWNED:
                options += [f"uid={self._user}", f"gid={self._group}", "umask=0027", "flush"]
            words = ["systemd-mount", "--collect", "--quiet", "--fsck=no"]
            words += [f"--type={_KERNEL.get(stick.file_system, stick.file_system)}"]
            words += [f"--options={','.join(options)}", "--", device]
            await self._run(*words, str(self._folder / stick.id))
            _, stick = await self._named(request.id)
        if not stick.folder:
            raise HelperError("the stick could not be mounted", "pull it out and put it in again")
        if stick.writable and stick.file_system not in _OWNED:
            await asyncio.to_thread(self._own, Path(stick.store))
        return stick

    async def unmount(self, request: UnmountStick, tell: Tell) -> Done:
        _, stick = await self._named(request.id)
        if not stick.folder:
            return Done("the stick may be pulled out")
        await self._run("sync", "--file-system", stick.folder)
        try:
            await self._run("systemd-umount", stick.folder)
        except HelperError as error:
            hint = "something still reads from it or writes to it: wait for its end"
            raise HelperError(f"the stick is in use: {error}", hint) from None
        return Done("everything is written; the stick may be pulled out")

    async def _named(self, wanted: str) -> tuple[str, StickView]:
        for device, stick in await self._found():
            if stick.id == wanted:
                return device, stick
        raise HelperError(
            "there is no such stick", "is it plugged in? See `twinpost machine sticks`"
        )

    async def _found(self) -> Sequence[tuple[str, StickView]]:
        said = await self._run("lsblk", "--json", "--bytes", "--output", _COLUMNS)
        try:
            report = from_json(said, _Report)
        except msgspec.MsgspecError as error:
            raise HelperError(f"lsblk: {error}", "see `lsblk --json`") from None
        found: dict[str, tuple[str, StickView]] = {}
        for disk in report.blockdevices:
            if disk.type in self._types and _removable(disk):
                for one in _file_systems(disk):
                    stick = self._view(disk, one)
                    if stick.id in found:  # a copy of another one: nobody could tell them apart
                        continue
                    found[stick.id] = (one.path, stick)
        return list(found.values())[:_MOST]

    def _view(self, disk: _Device, one: _Device) -> StickView:
        id_, kind = one.uuid or "", one.fstype or ""
        problem = ""
        if kind not in _KNOWN:
            problem = f"{visible(kind, _TEXT) or 'no file system'}: it has to be FAT, exFAT or ext4"
        elif not _ID.fullmatch(id_):
            problem = "its file system has no id"
        if problem:
            id_ = Path(one.path).name
        own = str(self._folder / id_)
        folder = own if own in one.mountpoints else ""
        if not problem and not folder and any(one.mountpoints):
            problem = "it is part of this system, or somebody else has mounted it"
        writable = not one.ro and kind not in _READ_ONLY and not problem
        inside = folder if kind in _OWNED else f"{folder}/{_STORE}"
        return StickView(
            id=id_,
            label=visible(one.label or "", _TEXT),
            model=visible(disk.model or "", _TEXT),
            file_system=visible(kind, _TEXT),
            size=one.size,
            free=int(one.fsavail) if folder and one.fsavail is not None else None,
            folder=folder,
            store=inside if folder and writable else "",
            writable=writable,
            problem=problem,
        )

    def _own(self, store: Path) -> None:
        """The node's folder on the stick; raises HelperError where something else is in its place.

        Nothing of a stick is followed: a link there could name any folder of this machine.
        """
        with suppress(FileExistsError):
            store.mkdir(mode=0o700)
        try:
            folder = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            hint = f"remove or rename {_STORE} on the stick"
            raise HelperError(f"{_STORE} on the stick is no folder", hint) from None
        try:
            os.fchown(folder, self._user, self._group)
            os.fchmod(folder, 0o700)
        finally:
            os.close(folder)


def _removable(disk: _Device) -> bool:
    return disk.rm or disk.hotplug or disk.tran == "usb" or disk.type == "loop"


def _file_systems(disk: _Device) -> Iterator[_Device]:
    """Its partitions, or the disk itself if it has none."""
    if disk.size:
        yield from disk.children or (disk,)
