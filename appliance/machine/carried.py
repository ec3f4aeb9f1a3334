"""What an installation that keeps mail carries over of the system before: names and addresses.

They are the machine's own, and lie with the system, not with the data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FILES = ("etc/hostname", "etc/hosts", "etc/default/keyboard", "etc/localtime")
_NETWORKS = "etc/systemd/network"
_OURS = "10-twinpost-*.network"
_LARGEST = 64 << 10


@dataclass(frozen=True)
class Carried:
    """A file of the system, or where a link leads."""

    name: str
    content: bytes
    link: str = ""


def taken(root: Path) -> Sequence[Carried]:
    """All there is below `root`; what can't be read is left away."""
    found = []
    for name in (*_FILES, *_networks(root)):
        path = root / name
        with suppress(OSError):
            if path.is_symlink():
                found.append(Carried(name, b"", os.readlink(path)))
            else:
                with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                    found.append(Carried(name, file.read(_LARGEST)))
    return found


def put(root: Path, carried: Sequence[Carried]) -> None:
    """Write it below the new `root`; raises OSError."""
    for one in carried:
        path = root / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if one.link:
            path.symlink_to(one.link)
        else:
            path.write_bytes(one.content)
            path.chmod(0o644)


def _networks(root: Path) -> Iterator[str]:
    for path in sorted((root / _NETWORKS).glob(_OURS)):
        yield f"{_NETWORKS}/{path.name}"
