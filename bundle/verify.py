"""A bundle is copied off its stick first, and the copy is verified: a stick can change its mind.

Nothing is unpacked before the signature and every digest have been checked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundle import archive, files, trust
from bundle.archive import BLOCK
from bundle.errors import Refused
from bundle.keys import PublicKey
from bundle.manifest import TOTAL_LIMIT, Manifest

_ROOM = 256 << 20
"""Bytes that stay free for the rest of the node."""


@dataclass(frozen=True)
class Verified:
    """A copy of a bundle all of which was checked; `key` has signed it."""

    copy: Path
    manifest: Manifest
    key: PublicKey


def fetch(bundle: Path, copy: Path) -> None:
    """Copy `bundle` to the new file `copy`; raises Refused, and OSError of this node's disk."""
    with _opened(bundle) as source:
        size = os.fstat(source.fileno()).st_size
        if size > TOTAL_LIMIT:
            raise Refused(f"{bundle} is larger than a bundle may be", "is it a bundle?")
        free = os.statvfs(copy.parent)
        if free.f_bavail * free.f_frsize < size + _ROOM:
            raise Refused(f"no room in {copy.parent} for {size >> 20} MiB", "remove an old release")
        files.write(copy, _blocks(source, bundle), 0o600)


def verify(copy: Path, trusted: PublicKey, *, allow_test_key: bool = False) -> Verified:
    """Read all of a bundle; raises Refused, OSError."""
    with _opened(copy) as source:
        front = archive.read_front(source)
        key = trust.signer(trusted, front)
        manifest = Manifest.decode(front.manifest)
        if manifest.test and not allow_test_key:
            hint = "only a test may: it says --allow-test-key"
            raise Refused("the bundle is signed by a key made for tests", hint)
        for _, blocks in archive.read_files(source, manifest):
            for _ in blocks:
                pass
    return Verified(copy, manifest, key)


def content(bundle: Verified, path: str, limit: int) -> bytes:
    """The beginning of one of its files, b"" if it has none of that name; raises Refused."""
    found = bytearray()
    with _opened(bundle.copy) as source:
        for entry, blocks in archive.read_files(source, bundle.manifest):
            for block in blocks:
                if entry.path == path and len(found) < limit:
                    found += block
    return bytes(found[:limit])


def unpack(bundle: Verified, folder: Path) -> None:
    """All files into the new `folder`; raises Refused, OSError."""
    folder.mkdir(mode=0o700)
    made = {folder}
    with _opened(bundle.copy) as source:
        for entry, blocks in archive.read_files(source, bundle.manifest):
            path = folder / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            made.update(one for one in path.parents if one.is_relative_to(folder))
            files.write(path, blocks)
    for one in made:
        files.sync(one)


def _opened(path: Path) -> BinaryIO:
    """A plain file, however it got its name: no device, no pipe, no link to elsewhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", "name the file on the stick") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is no plain file", "name the file on the stick")
    return os.fdopen(descriptor, "rb")


def _blocks(source: BinaryIO, path: Path) -> Iterator[bytes]:
    while True:
        try:
            block = source.read(BLOCK)
        except OSError as error:
            hint = "write the bundle to another stick"
            raise Refused(f"{path} cannot be read to its end: {error.strerror}", hint) from None
        if not block:
            return
        yield block
