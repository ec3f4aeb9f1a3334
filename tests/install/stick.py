"""Sticks: files as disks of this machine's kernel, for a machine in namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.install.machine import Machine

_SIZE = 256 << 20


@contextmanager
def plugged_in(machine: Machine, label: str, files: Path) -> Iterator[None]:
    """One that has what lies in the folder `files`."""
    image = files.parent / f"{label}.img"
    with image.open("wb") as file:
        file.truncate(_SIZE)
    uuid = str(uuid4())
    make = ("mkfs.ext4", "-q", "-L", label, "-U", uuid, "-d", str(files))
    subprocess.run([*make, str(image)], check=True)
    with _looped(image) as device:
        machine.plug_in(int(device.removeprefix("/dev/loop")), label, uuid)
        yield


@contextmanager
def _looped(image: Path) -> Iterator[str]:
    done = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    )
    device = done.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
