"""Positions: how far a node's journal reaches in each incarnation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A sequence number, size, index or count, as a peer may send it."""
Time = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]
"""Milliseconds of some node's running time, or reckoned from it."""
Reading = Annotated[int, msgspec.Meta(ge=0, le=1 << 52)]
"""A running time that a record tells of: what a clock goes on to from there is still a Time."""
Incarnation = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""One start of a spool: sixteen random bytes."""
Node = Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]
"""A node's identity."""

Positions = Mapping[bytes, int]
"""{incarnation: last sequence held}; an incarnation that is missing is held up to 0."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A position with the hash of the segment that ends there: equal numbers, equal hashes."""

    seq: Number
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
