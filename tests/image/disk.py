"""Disks and sticks as files: made, filled and read without mounting them."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

_START = 1 << 20
_SECTOR = 512
_TABLE = 446
"""Where the master boot record has its four partitions."""
_ENTRY = struct.Struct("<B3sB3sII")
_FAT = 0x0C


def blank(path: Path, size: int) -> Path:
    """A disk of so many bytes with nothing on it."""
    with path.open("xb") as file:
        file.truncate(size)
    return path


def stick(path: Path, size: int, label: str, files: Mapping[str, Path]) -> Path:
    """One partition with FAT, as shops sell them, with these files on it."""
    blank(path, size)
    where = (_START // _SECTOR, (size - _START) // _SECTOR)
    entry = _ENTRY.pack(0, b"\xff" * 3, _FAT, b"\xff" * 3, *where)
    with path.open("r+b") as file:
        file.seek(_TABLE)
        file.write(entry.ljust(4 * _ENTRY.size, b"\0") + b"\x55\xaa")
    kibibytes = (size - _START) >> 10
    offset = f"--offset={_START // _SECTOR}"
    make = ["mkfs.vfat", "-n", label, offset, str(path), str(kibibytes)]
    subprocess.run(make, stdout=subprocess.DEVNULL, check=True)
    for name, source in files.items():
        write(path, name, source, _START)
    return path


def write(image: Path, name: str, source: Path, start: int) -> None:
    """Copy a file to the FAT file system that begins there."""
    subprocess.run(["mcopy", "-o", "-i", f"{image}@@{start}", source, f"::{name}"], check=True)


def names(image: Path, folder: str = "") -> list[str]:
    """What is in a folder of a stick."""
    listed = subprocess.run(
        ["mdir", "-b", "-i", f"{image}@@{_START}", f"::{folder}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.rsplit("/", 1)[-1] for line in listed.stdout.splitlines()]


def read(image: Path, name: str, target: Path) -> Path:
    """Copy a file off a stick."""
    subprocess.run(["mcopy", "-i", f"{image}@@{_START}", f"::{name}", target], check=True)
    return target


def fat_start(image: Path) -> int:
    """Where the FAT file system of a stick begins, in bytes: that of a Twinpost image, too."""
    with image.open("rb") as file:
        file.seek(_TABLE)
        table = file.read(4 * _ENTRY.size)
    for _, _, kind, _, start, _ in _ENTRY.iter_unpack(table):
        if kind == _FAT:
            return int(start) * _SECTOR
    raise ValueError(f"{image} has no partition with FAT")
