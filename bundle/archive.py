"""The bundle as one file: a tar of plain files in the manifest's order, the same bytes each time.

Reading trusts nothing: members are taken one after the other, and anything but exactly the files
of the manifest, in their order, is refused. So no name, link, device or second copy of a file can
reach the disk, and bytes behind the end are refused, too.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundle.errors import Refused
from bundle.manifest import (
    MANIFEST,
    MANIFEST_LIMIT,
    ROTATIONS,
    SIGNATURE,
    Entry,
    Manifest,
)

BLOCK = 1 << 20
_END = 2 * tarfile.BLOCKSIZE
_HINT = "copy the bundle to the stick again; if that does not help, have a new one made"


@dataclass(frozen=True)
class Front:
    """What a bundle begins with: all of it to be read before anything of it is believed."""

    manifest: bytes
    signature: bytes
    rotations: bytes


def write(target: BinaryIO, front: Front, root: Path) -> None:
    """The bundle of the files below `root`; raises OSError, and Refused if one has changed."""
    manifest = Manifest.decode(front.manifest)
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add_bytes(tar, MANIFEST, front.manifest)
        _add_bytes(tar, SIGNATURE, front.signature)
        _add_bytes(tar, ROTATIONS, front.rotations)
        for entry in manifest.files:
            with (root / entry.path).open("rb") as source:
                member = _Hashing(source)
                tar.addfile(_header(entry.path, entry.size), member)
            if member.sha256.hexdigest() != entry.sha256:
                raise Refused(f"{entry.path} changed while the bundle was made", "make it again")


def read_front(source: BinaryIO) -> Front:
    """The beginning of a bundle, nothing of it checked; raises Refused, OSError."""
    return _Members(source).front()


def read_files(source: BinaryIO, manifest: Manifest) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """Each file with its content in blocks, which have to be read to their end.

    The digest is checked at the end of each: Refused is raised by whoever reads on then.
    """
    reader = _Members(source)
    reader.front()
    for entry in manifest.files:
        yield entry, reader.checked(entry)
    reader.end()


class _Members:
    """Goes through a tar without believing it."""

    def __init__(self, source: BinaryIO) -> None:
        source.seek(0)
        self._source = source
        self._offset = 0

    def front(self) -> Front:
        manifest = self._small(MANIFEST, MANIFEST_LIMIT)
        return Front(manifest, self._small(SIGNATURE, 1024), self._small(ROTATIONS, 1 << 16))

    def _small(self, name: str, limit: int) -> bytes:
        header = self._next(name)
        if header.size > limit:
            raise Refused(f"{name} is too large", _HINT)
        content = self._exactly(header.size)
        self._pad(header.size)
        return content

    def checked(self, entry: Entry) -> Iterator[bytes]:
        header = self._next(entry.path)
        if header.size != entry.size:
            raise Refused(f"{entry.path} has another size than the manifest says", _HINT)
        sha256, left = hashlib.sha256(), entry.size
        while left:
            block = self._exactly(min(BLOCK, left))
            sha256.update(block)
            left -= len(block)
            yield block
        self._pad(entry.size)
        if sha256.hexdigest() != entry.sha256:
            raise Refused(f"{entry.path} is damaged", _HINT)

    def end(self) -> None:
        # Two empty blocks, and as many more as make whole records.
        expected = _END + -(self._offset + _END) % tarfile.RECORDSIZE
        rest = self._source.read(expected + 1)
        if rest.strip(b"\0") or len(rest) != expected:
            raise Refused("the bundle holds more than its manifest lists", _HINT)

    def _next(self, name: str) -> tarfile.TarInfo:
        block = self._exactly(tarfile.BLOCKSIZE)
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise Refused(f"where {name} should begin is no file", _HINT) from None
        # Byte for byte as `write` does it: no link, no path of another form, no other owner.
        if block != _header(name, header.size).tobuf(tarfile.USTAR_FORMAT, "ascii"):
            raise Refused(f"{header.name[:200]!r} is in the bundle, not {name}", _HINT)
        return header

    def _pad(self, size: int) -> None:
        if self._exactly(-size % tarfile.BLOCKSIZE).strip(b"\0"):
            raise Refused("there is something between the files of the bundle", _HINT)

    def _exactly(self, size: int) -> bytes:
        block = self._source.read(size)
        if len(block) < size:
            raise Refused("the bundle ends too early", _HINT)
        self._offset += size
        return block


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, source: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self._source = source

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self.sha256.update(block)
        return block


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o644
    return header


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_header(name, len(content)), io.BytesIO(content))
