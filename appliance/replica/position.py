"""Positions: how far a node's journal reaches in each incarnation."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Positions = Mapping[bytes, int]
"""{incarnation: last sequence held}; an incarnation that is missing is held up to 0."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A position with the hash of the segment that ends there: equal numbers, equal hashes."""

    seq: int
    hash: bytes


Marks = Mapping[bytes, Mark]


def covers(mine: Positions, theirs: Positions) -> bool:
    """True if everything in `theirs` is in `mine` too."""
    return all(mine.get(incarnation, 0) >= seq for incarnation, seq in theirs.items())


def joined(mine: Positions, theirs: Positions) -> dict[bytes, int]:
    """The least positions that cover both."""
    result = dict(mine)
    for incarnation, seq in theirs.items():
        if seq > result.get(incarnation, 0):
            result[incarnation] = seq
    return result


def positions(marks: Marks) -> dict[bytes, int]:
    """The positions of `marks`, without their hashes."""
    return {incarnation: mark.seq for incarnation, mark in marks.items()}
