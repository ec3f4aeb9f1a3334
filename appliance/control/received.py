"""The bundle that was sent to this node, part by part: from the other node, or from a command."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from appliance.control.http import BadRequest
from appliance.control.schema_updates import BundlePart

_MOST = 1 << 30
_ROOM = 256 << 20


class Received:
    """The folder `folder`: `bundle` is whole, `part` is not yet. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bundle"
        self._folder = folder
        self._part = folder / "part"
        self._hash = sha256()
        self._size = 0
        self._digest = ""

    @property
    def digest(self) -> str:
        """Of the whole one, "" if there is none."""
        with suppress(OSError, ValueError):
            return (self._folder / "digest").read_text("ascii")
        return ""

    def take(self, part: BundlePart) -> bool:
        """Take in the next part; True once it is whole. Raises BadRequest, OSError."""
        if part.digest == self.digest:
            return True
        if part.offset == 0:
            self._begin(part)
        if part.digest != self._digest or part.offset != self._size:
            raise BadRequest("a part of a bundle is out of order", "send all of it again")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self._part, flags), "ab") as file:
            file.write(part.data)
            file.flush()
            self._hash.update(part.data)
            self._size += len(part.data)
            if self._size < part.size:
                return False
            os.fsync(file.fileno())
        if self._hash.hexdigest() != part.digest:
            raise BadRequest("the bundle came as another than was sent", "send it again")
        self.put(self._part, part.digest)
        return True

    def put(self, file: Path, digest: str) -> None:
        """`file` becomes the one that is whole. Raises OSError."""
        (self._folder / "digest").unlink(missing_ok=True)
        file.replace(self.path)
        (self._folder / "digest").write_text(digest, "ascii")

    def fetch(self, source: Path) -> str:
        """Copy a bundle off a stick; its digest. Raises BadRequest, OSError."""
        size = source.stat().st_size
        self._begin(BundlePart(digest="", size=size, offset=0, data=b""))
        total = sha256()
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file, self._part.open("wb") as copy:
            while block := file.read(1 << 20):
                total.update(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        self.put(self._part, total.hexdigest())
        return total.hexdigest()

    def _begin(self, part: BundlePart) -> None:
        if not 0 < part.size <= _MOST:
            raise BadRequest(f"no bundle has {part.size} bytes", "is it a bundle?")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        figures = os.statvfs(self._folder)
        if figures.f_bavail * figures.f_frsize < part.size + _ROOM:
            raise BadRequest("there is no room for the bundle on this node's disk", "free some")
        self._hash, self._size, self._digest = sha256(), 0, part.digest
        self._part.unlink(missing_ok=True)
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
