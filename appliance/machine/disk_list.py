"""The machine's disks from what lsblk says: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from appliance.decoding import from_json
from appliance.ipc.installer import Content, DiskView
from appliance.mail.visible import visible

DATA = "twinpost-data"
"""The name of the partition that has mail and settings."""
SMALLEST = 8_000_000_000
COLUMNS = "NAME,TYPE,SIZE,MODEL,SERIAL,RM,RO,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS"
_LONGEST = 60


class _Device(msgspec.Struct, frozen=True):
    name: str
    type: str
    size: int
    model: str | None = None
    serial: str | None = None
    rm: bool = False
    ro: bool = False
    fstype: str | None = None
    label: str | None = None
    partlabel: str | None = None
    mountpoints: tuple[str | None, ...] = ()
    children: tuple[_Device, ...] = ()


class _Listing(msgspec.Struct, frozen=True):
    blockdevices: tuple[_Device, ...]


def disks(said: str) -> Sequence[DiskView]:
    """From `lsblk --json --bytes --output COLUMNS`; raises msgspec.MsgspecError."""
    listing = from_json(said, _Listing)
    return [_view(one) for one in listing.blockdevices if one.type == "disk" and one.size]


def _view(disk: _Device) -> DiskView:
    parts = list(_below(disk))
    return DiskView(
        name=disk.name,
        model=_shown(disk.model),
        serial=_shown(disk.serial),
        size=disk.size,
        removable=disk.rm,
        holds=tuple(_content(one) for one in (disk, *parts) if one.type == "part" or one.fstype),
        kept=any(one.partlabel == DATA and one.fstype == "ext4" for one in parts),
        problem=_problem(disk, parts),
    )


def _problem(disk: _Device, parts: Sequence[_Device]) -> str:
    mounted = [where for one in (disk, *parts) for where in one.mountpoints if where]
    if any(where.startswith("/run/live") for where in mounted):
        return "this is the stick that the machine runs from"
    if mounted:
        return f"it is in use: {_shown(mounted[0])}"
    if disk.ro:
        return "it can only be read"
    if disk.size < SMALLEST:
        return f"it is smaller than {SMALLEST // 10**9} GB"
    return ""


def _content(device: _Device) -> Content:
    return Content(
        name=device.name,
        what=_shown(device.fstype) or "nothing that is known",
        label=_shown(device.label or device.partlabel),
        size=device.size,
    )


def _below(device: _Device) -> Iterator[_Device]:
    for child in device.children:
        yield child
        yield from _below(child)


def _shown(text: str | None) -> str:
    return visible((text or "").strip(), _LONGEST)
