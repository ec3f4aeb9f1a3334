"""twinpost-install.toml: installs without anybody there, and says how the machine is set up: pure.

erase = true

[[machine]]
hardware = "52:54:00:12:34:56"     # of any of its network interfaces
[machine.answers]                  # what the first-boot wizard would ask (config/answers.py)
name = "a"
...
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from appliance.config.answers import Answers
from appliance.config.units import Wrong

NAME = "twinpost-install.toml"
LEFT = "answers.toml"
"""In the data directory: what the node sets itself up by at its first start."""
_HARDWARE = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class MachineTable(msgspec.Struct, frozen=True, kw_only=True):
    """One of several machines that one file is for, known by a hardware address."""

    hardware: str
    answers: Answers | None = None

    def __post_init__(self) -> None:
        if not _HARDWARE.fullmatch(self.hardware):
            hint = 'six pairs of small hexadecimal digits: "52:54:00:12:34:56"'
            raise Wrong(f"{self.hardware!r} is no hardware address", hint)


class InstallFile(msgspec.Struct, frozen=True, kw_only=True):
    """What to install to, what may be lost by it, and what comes afterwards.

    `disk`: its name ("sda"), model or serial number; "" is the only one there is. `erase`: what it
    has may be lost. `keep`: an earlier installation's mail and settings stay. Answers are for every
    machine, or for those in `machine`; without any the wizard asks at the first boot.
    """

    disk: str = ""
    erase: bool = False
    keep: bool = False
    then: Literal["power off", "restart", "wait"] = "power off"
    answers: Answers | None = None
    machine: tuple[MachineTable, ...] = ()

    def __post_init__(self) -> None:
        if self.erase and self.keep:
            raise Wrong("it erases and keeps", "erase = true, or keep = true")
        if self.answers is not None and self.machine:
            raise Wrong("answers for every machine and for one", "put them into [[machine]]")
        hardware = [one.hardware for one in self.machine]
        if len(set(hardware)) < len(hardware):
            raise Wrong("two [[machine]] have one hardware address")

    def answers_for(self, hardware: Collection[str]) -> Answers | None:
        """Those for the machine with these hardware addresses; raises Wrong."""
        if not self.machine:
            return self.answers
        mine = [one for one in self.machine if one.hardware in hardware]
        if len(mine) != 1:
            here = ", ".join(sorted(hardware)) or "none"
            found = "none" if not mine else "more than one"
            raise Wrong(f"{found} of [[machine]] is for this one", f"it has {here}")
        return mine[0].answers


class Disk(Protocol):
    """What has to be known of a disk."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def serial(self) -> str: ...
    @property
    def holds(self) -> Sequence[object]: ...
    @property
    def kept(self) -> bool: ...
    @property
    def problem(self) -> str: ...


D = TypeVar("D", bound=Disk)


def target(file: InstallFile, disks: Sequence[D]) -> D:
    """The disk to install to; raises Wrong if that is not plain, or not allowed."""
    if file.disk:
        found = [one for one in disks if file.disk in (one.name, one.model, one.serial)]
    else:
        found = [one for one in disks if not one.problem]
    there = "; ".join(f"{one.name} {one.model} {one.serial}".strip() for one in disks)
    if len(found) != 1:
        what = "no disk" if not found else "more than one disk"
        asked = f' for disk = "{file.disk}"' if file.disk else ""
        raise Wrong(f"{what}{asked}", f"say which by disk = …; there are: {there or 'none'}")
    disk = found[0]
    if disk.problem:
        raise Wrong(f"nothing can be installed to {disk.name}: {disk.problem}", "name another")
    if file.keep and not disk.kept:
        raise Wrong(f"{disk.name} has no mail that could be kept", "leave keep out")
    if disk.holds and not (file.erase or file.keep):
        hint = "erase = true if all of it may be lost, or keep = true"
        raise Wrong(f"{disk.name} is not empty", hint)
    return disk
