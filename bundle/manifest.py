"""What a bundle says of itself: a version, and the digest of each of its files. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bundle.errors import Refused

FORMAT = 1
"""Grows when a bundle of now can no longer be read by the release before."""
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
ROTATIONS = "rotations.json"
MANIFEST_LIMIT = 1 << 20
FILE_LIMIT = 1 << 30
TOTAL_LIMIT = 4 << 30
FILES_LIMIT = 10_000

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~!@-]*(/[A-Za-z0-9_][A-Za-z0-9._+~!@-]*)*", re.ASCII)
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TARGET = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_DAMAGED = "copy it to the stick again; if that does not help, the bundle is not from who made it"


@dataclass(frozen=True, order=True)
class Version:
    """A release: major, minor, patch."""

    numbers: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> Version:
        """From "1.2.3"; raises Refused."""
        if not _VERSION.fullmatch(text):
            raise Refused(f"{text!r} is no version", 'a version is written "1.2.3"')
        major, minor, patch = (int(one) for one in text.split("."))
        return cls((major, minor, patch))

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers))


@dataclass(frozen=True)
class Entry:
    """One file: its path in the bundle, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that is signed. `target`: the system it is for, for example "debian13-amd64"."""

    version: Version
    target: str
    files: tuple[Entry, ...]
    test: bool = False
    """Signed by a key made for tests."""

    def encode(self) -> bytes:
        """The bytes that are signed: the same for the same values."""
        document = {
            "files": [[one.path, one.size, one.sha256] for one in self.files],
            "format": FORMAT,
            "target": self.target,
            "test": self.test,
            "version": str(self.version),
        }
        return json.dumps(document, indent=1, sort_keys=True).encode("ascii") + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """From what `encode` made; raises Refused for anything else."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise Refused("the manifest is not JSON", _DAMAGED) from None
        if not isinstance(document, dict):
            raise Refused("the manifest is no table", _DAMAGED)
        if document.get("format") != FORMAT:
            found = document.get("format")
            hint = "update with an earlier bundle first" if isinstance(found, int) else _DAMAGED
            raise Refused(f"the bundle has format {found!r}, known is {FORMAT}", hint)
        manifest = cls(
            Version.parse(_text(document, "version")),
            _text(document, "target"),
            tuple(_entries(document.get("files"))),
            document.get("test") is True,
        )
        if not _TARGET.fullmatch(manifest.target):
            raise Refused("the manifest names no target", _DAMAGED)
        if manifest.encode() != data:
            raise Refused("the manifest is not written as one is", _DAMAGED)
        return manifest


def check_path(path: str) -> str:
    """`path` itself if a bundle may hold a file of that name; raises Refused."""
    if len(path) > 200 or not _PATH.fullmatch(path) or path in (MANIFEST, SIGNATURE, ROTATIONS):
        raise Refused(f"{path[:200]!r} is no name for a file in a bundle", _DAMAGED)
    return path


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise Refused(f"the manifest has no {key}", _DAMAGED)
    return value


def _entries(listed: object) -> Sequence[Entry]:
    if not isinstance(listed, list) or not 0 < len(listed) <= FILES_LIMIT:
        raise Refused("the manifest lists no files, or too many", _DAMAGED)
    entries = [_entry(one) for one in listed]
    paths = [one.path for one in entries]
    if paths != sorted(set(paths)):
        raise Refused("the manifest lists a file twice, or not in order", _DAMAGED)
    if sum(one.size for one in entries) > TOTAL_LIMIT:
        raise Refused("the bundle is larger than one may be", _DAMAGED)
    return entries


def _entry(one: object) -> Entry:
    match one:
        case [str(path), int(size), str(sha256)] if not isinstance(size, bool):
            if 0 <= size <= FILE_LIMIT and _DIGEST.fullmatch(sha256):
                return Entry(check_path(path), size, sha256)
    raise Refused("the manifest lists something that is no file", _DAMAGED)
