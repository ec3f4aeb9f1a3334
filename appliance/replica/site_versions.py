"""Versions of the site's document: which one is in force, and what was set aside (rule 10).

Versions are immutable and known by the hash of all they say, so two copies of the set merge by
union. Everything here is a pure function of the set: nodes that hold the same versions agree.

A leaf is a version that no other one continues. The strongest leaf is the *head*: the higher
epoch, then the longer line, then the higher node wins. Whatever continues the head is stronger
than it, so a change that turns up late (from a disk that was salvaged) takes the place of the
head only if it was made in a higher epoch, or by more changes than were made here since. The
other leaves are *branches*, until a later version says that it settles them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Annotated

import msgspec

from appliance.replica.position import Number

Id = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""SHA-256 over a version."""
KEEP = 256
"""So many versions are kept, the strongest: those that are dropped were continued long ago."""


class SiteVersion(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """One version of the document. `at` is wall-clock milliseconds, shown to people only.

    `parent` is b"" for a first one; `number` is one more than the parent's. `settles` are leaves
    that whoever made this one had before them.
    """

    parent: Annotated[bytes, msgspec.Meta(max_length=32)]
    number: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    epoch: Number
    node: Annotated[bytes, msgspec.Meta(max_length=64)]
    author: str
    at: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    comment: str
    settles: tuple[Id, ...]
    document: bytes


class Header(msgspec.Struct, frozen=True, array_like=True):
    """A version without its document; `size` is that in bytes."""

    id: Id
    parent: bytes
    number: int
    epoch: int
    node: bytes
    author: str
    at: int
    comment: str
    settles: tuple[Id, ...]
    size: int

    @property
    def strength(self) -> tuple[int, int, bytes, bytes]:
        """What orders versions; a child's is always greater than its parent's."""
        return self.epoch, self.number, self.node, self.id


def identity(version: SiteVersion) -> bytes:
    """The version's id."""
    return sha256(msgspec.msgpack.encode(version)).digest()


def header(version: SiteVersion) -> Header:
    """A version without its document; raises ValueError if it cannot be one."""
    if (version.number == 1) != (version.parent == b"") or len(version.parent) not in (0, 32):
        raise ValueError(f"version {version.number} of the site has parent {version.parent.hex()}")
    return Header(
        identity(version),
        version.parent,
        version.number,
        version.epoch,
        version.node,
        version.author,
        version.at,
        version.comment,
        version.settles,
        len(version.document),
    )


def first(document: bytes) -> SiteVersion:
    """The first version, of a document nobody has changed yet.

    The same on every node, so nodes that were set up alike don't have to be told apart.
    """
    return SiteVersion(b"", 1, 0, b"", "", 0, "", (), document)


class Lineage:
    """What a set of versions says."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self._known = {one.id: one for one in headers}
        parents = {one.parent for one in self._known.values()}
        settled = {id_ for one in self._known.values() for id_ in one.settles}
        leaves = [one for one in self._known.values() if one.id not in parents]
        leaves.sort(key=lambda one: one.strength, reverse=True)
        self.head: Header | None = leaves[0] if leaves else None
        self.branches = tuple(one for one in leaves[1:] if one.id not in settled)
        """The other leaves that nobody has settled, the strongest first."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, id_: bytes) -> bool:
        return id_ in self._known

    def __iter__(self) -> Iterator[Header]:
        """All versions, the strongest first."""
        yield from sorted(self._known.values(), key=lambda one: one.strength, reverse=True)

    def get(self, id_: bytes) -> Header:
        """Raises KeyError."""
        return self._known[id_]

    def line(self, id_: bytes) -> Iterator[Header]:
        """A version and those it continues, as far back as they are kept."""
        while (one := self._known.get(id_)) is not None:
            yield one
            id_ = one.parent

    def fork(self, one: bytes, other: bytes) -> Header | None:
        """The last version that two of them have in common."""
        behind = {version.id for version in self.line(one)}
        return next((version for version in self.line(other) if version.id in behind), None)

    def kept(self) -> tuple[Header, ...]:
        """The versions to keep: the `KEEP` strongest.

        A parent is weaker than its children, so what goes is never a leaf of what stays; and it
        does not matter whether two sets are cut down before they are merged, or after.
        """
        return tuple(one for _, one in zip(range(KEEP), self, strict=False))
