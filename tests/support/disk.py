"""A disk in memory that keeps, over a power cut, only what was synced.

POSIX in its strictest reading: `fsync` makes the bytes of one file durable and not its name; names
become durable by `fsync-directory`. What was not synced may survive all the same, whole or torn or
in another order: the disk's random numbers decide, so the same seed tells the same story. A rename
or an unlink is atomic, as on every journalling file system.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from errno import ENOSPC
from posixpath import dirname
from random import Random

from tests.support.disk_faults import Fault, Faults, Kind, PowerCut
from tests.support.disk_inode import CHANCES, Inode

Image = Mapping[str, bytes]


@dataclass(slots=True)
class _NameChange:
    """A change of names that waits for the sync of its directories."""

    inode: Inode
    removed: str | None = None
    added: str | None = None
    waiting: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = {dirname(path) for path in (self.removed, self.added) if path is not None}

    def apply(self, names: dict[str, Inode]) -> None:
        if self.removed is not None and names.get(self.removed) is self.inode:
            del names[self.removed]
        if self.added is not None:
            names[self.added] = self.inode


class Disk:
    """The platter with its cache. `capacity`: bytes after which writes get ENOSPC.

    Programs use `mount`; a power cut, a kill or a restored image makes a new one and leaves the
    old one dead: every call on it raises PowerCut. After `faults.crash_at` struck, the mount is
    dead until `power_cut` says what the platter kept.
    """

    def __init__(self, name: str, rng: Random, capacity: int | None = None) -> None:
        self.name = name
        self.capacity = capacity
        self.faults = Faults()
        self.rng = rng
        self._names: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._changes: list[_NameChange] = []
        self.mount = Mount(self, self._names)

    def power_cut(self) -> None:
        """Drop or tear what was not synced, and start again from the rest."""
        names, chance = dict(self._durable_names), self.rng.choice(CHANCES)
        for change in self._changes:
            if self.rng.random() < chance:
                change.apply(names)
        inodes = {id(inode): inode for inode in names.values()}
        settled = {key: Inode(inode.settle(self.rng)) for key, inode in inodes.items()}
        self._start({path: settled[id(inode)] for path, inode in names.items()})

    def kill(self) -> None:
        """End the programs but not the machine: the cache stays, their open files don't."""
        self.mount.alive = False
        self.mount = Mount(self, self._names)

    def snapshot(self) -> Image:
        """All files as programs see them now, synced or not."""
        return {path: bytes(inode.content) for path, inode in self._names.items()}

    def durable(self) -> Image:
        """All files as they would be if nothing that was not synced survived."""
        return {path: bytes(inode.durable) for path, inode in self._durable_names.items()}

    def restore(self, image: Image) -> None:
        """Become the image: a restored backup, a rolled-back virtual machine."""
        self._start({path: Inode(bytearray(content)) for path, content in image.items()})

    def clone(self, name: str, rng: Random) -> Disk:
        """Another disk with this one's files."""
        disk = Disk(name, rng, self.capacity)
        disk.restore(self.snapshot())
        return disk

    def flip_bit(self, path: str, bit: int) -> None:
        """Let a stored bit rot."""
        self._names[path].flip_bit(bit)

    def room(self) -> float:
        """Bytes that still fit."""
        if self.capacity is None:
            return float("inf")
        return self.capacity - sum(len(inode.content) for inode in self._names.values())

    def change_names(
        self, inode: Inode, *, removed: str | None = None, added: str | None = None
    ) -> None:
        """Change names in the cache; the platter's wait for their directories' sync."""
        change = _NameChange(inode, removed, added)
        change.apply(self._names)
        self._changes.append(change)

    def sync_names(self, directory: str) -> None:
        """Make a directory's names durable."""
        for change in self._changes:
            change.waiting.discard(directory)
            if not change.waiting:
                change.apply(self._durable_names)
        self._changes = [change for change in self._changes if change.waiting]

    def _start(self, names: dict[str, Inode]) -> None:
        self._names, self._durable_names, self._changes = names, dict(names), []
        self.kill()


class Mount:
    """A disk's files as one boot's programs use them."""

    def __init__(self, disk: Disk, names: dict[str, Inode]) -> None:
        self.alive = True
        self.disk = disk
        self._names = names
        self._faults = disk.faults

    def begin(self, op: str, path: str) -> Fault | None:
        """Every call starts here; raises PowerCut, or says how the call has to fail."""
        if self.alive and not self._faults.active:
            return None
        if not self.alive:
            raise PowerCut(op, path)
        fault = self._faults.judge(op, path)
        if fault is not None and fault.kind is Kind.CRASH:
            self.alive = False
            raise PowerCut(op, path)
        return fault

    def open(self, path: str, *, create: bool = False, exclusive: bool = False) -> OpenFile:
        if not self.alive:
            raise PowerCut("open", path)
        inode = self._names.get(path)
        if inode is not None and exclusive:
            raise FileExistsError(path)
        if inode is None:
            if not create:
                raise FileNotFoundError(path)
            self._begin("create", path)
            inode = Inode(bytearray())
            self.disk.change_names(inode, added=path)
        return OpenFile(self, inode, path)

    def open_unnamed(self) -> OpenFile:
        """A temporary file that no power cut leaves anything of."""
        return OpenFile(self, Inode(bytearray()), "")

    def unlink(self, path: str) -> None:
        self._begin("unlink", path)
        self.disk.change_names(self._find(path), removed=path)

    def rename(self, source: str, target: str) -> None:
        self._begin("rename", target)
        self.disk.change_names(self._find(source), removed=source, added=target)

    def sync_directory(self, path: str) -> None:
        fault = self._begin("fsync-directory", path)
        if fault is None:
            self.disk.sync_names(path)

    def exists(self, path: str) -> bool:
        self._begin("read", path)
        return path in self._names

    def list(self, directory: str) -> list[str]:
        self._begin("read", directory)
        prefix = f"{directory}/" if directory else ""
        return sorted(path[len(prefix) :] for path in self._names if dirname(path) == directory)

    def _begin(self, op: str, path: str) -> Fault | None:
        fault = self.begin(op, path)
        if fault is not None and fault.kind is Kind.FAIL:
            raise _failure(fault, path)
        return fault

    def _find(self, path: str) -> Inode:
        try:
            return self._names[path]
        except KeyError:
            raise FileNotFoundError(path) from None


class OpenFile:
    """An open file; it needs no closing."""

    __slots__ = ("_inode", "_mount", "path")

    def __init__(self, mount: Mount, inode: Inode, path: str) -> None:
        self._mount = mount
        self._inode = inode
        self.path = path

    def read(self, offset: int, size: int) -> bytearray:
        fault = self._mount.begin("read", self.path)
        if fault is not None:
            raise _failure(fault, self.path)
        return self._inode.content[offset : offset + size]

    def size(self) -> int:
        return len(self._inode.content)

    def write(self, offset: int, data: bytes) -> None:
        fault = self._mount.begin("write", self.path)
        if fault is None and self._mount.disk.capacity is None:
            self._inode.write(offset, data)
        else:
            self._write_badly(fault, offset, data)

    def truncate(self, size: int) -> None:
        fault = self._mount.begin("truncate", self.path)
        if fault is not None:
            raise _failure(fault, self.path)
        if size != len(self._inode.content):
            self._inode.truncate(size)

    def sync(self) -> None:
        fault = self._mount.begin("fsync", self.path)
        if fault is None:
            self._inode.sync()
        elif fault.kind is Kind.FAIL:
            self._inode.fail_sync(self._mount.disk.rng)
            raise _failure(fault, self.path)

    def _write_badly(self, fault: Fault | None, offset: int, data: bytes) -> None:
        if fault is not None and fault.kind is Kind.FAIL:
            self._inode.write(offset, data[: fault.written])
            raise _failure(fault, self.path)
        growth = max(0, offset + len(data) - len(self._inode.content))
        lacking = growth - self._mount.disk.room()
        if lacking > 0:
            fits = max(0, len(data) - int(lacking))
            self._inode.write(offset, data[:fits])
            raise OSError(ENOSPC, os.strerror(ENOSPC), self.path)
        self._inode.write(offset, data)
        if fault is not None:
            self._inode.pending.pop()


def _failure(fault: Fault, path: str) -> OSError:
    """The error that a failing call raises."""
    return OSError(fault.error, os.strerror(fault.error), path)
