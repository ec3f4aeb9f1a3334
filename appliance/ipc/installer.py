"""What the root helper is asked about disks on the live system, and what it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.ipc.machine import Request


class GetDisks(Request, frozen=True):
    """Answered by Disks."""


class StartInstallation(Request, frozen=True, kw_only=True):
    """Install the running system to a disk; answered by an Installation, once it has begun.

    `confirm` is the disk's name once more. `size` is what the caller was shown: another disk may
    have the name by now. `keep`: leave the mail and settings that an earlier installation has.
    """

    disk: str
    size: int
    confirm: str
    keep: bool = False


class GetInstallation(Request, frozen=True):
    """How far it is: an Installation."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Something on a disk that installing would erase; `what` for people: "ext4", "ntfs"."""

    name: str
    what: str
    label: str
    size: int


class DiskView(msgspec.Struct, frozen=True, kw_only=True):
    """A disk; sizes in bytes.

    `kept`: it has mail and settings of an earlier installation, which another can leave in place.
    `problem`: why nothing can be installed to it, "" if it can.
    """

    name: str
    model: str
    serial: str
    size: int
    removable: bool
    holds: tuple[Content, ...]
    kept: bool
    problem: str = ""


class Disks(msgspec.Struct, frozen=True):
    """All of the machine's."""

    disks: tuple[DiskView, ...]


State = Literal["none", "running", "done", "failed"]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An installation: `step` of `steps`, `percent` of the step; failed with a cause and a hint."""

    state: State
    disk: str = ""
    step: int = 0
    steps: int = 0
    text: str = ""
    percent: int = 0
    cause: str = ""
    hint: str = ""
