"""A segment together with what the catalogue knows of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.search.segment import Damaged, Mask, Segment


@dataclass(frozen=True, eq=False)
class Unit:
    """One segment with what the catalogue knows of its documents, in order of arrival."""

    partition: int
    segment: Segment
    positions: NDArray[np.int64]
    received: NDArray[np.int64]
    state: NDArray[np.uint8]
    gone: NDArray[np.bool_]

    @property
    def documents(self) -> int:
        """How many documents it has, those that are gone included."""
        return len(self.positions)


def described(units: Sequence[Unit]) -> list[Any]:
    """What the contents of a partition say of its segments."""
    return [unit.segment.segment for unit in units]


def units_of(
    partition: int, segments: Sequence[Segment], columns: Sequence[Sequence[int]]
) -> list[Unit]:
    """Documents in order of arrival, dealt to segments in order; raises Damaged."""
    if sum(segment.documents for segment in segments) != len(columns):
        raise Damaged(f"partition {partition}: other documents than the catalogue has")
    table = np.array(columns, np.int64).reshape(len(columns), 4)
    units, start = [], 0
    for segment in segments:
        rows = table[start : start + segment.documents]
        start += segment.documents
        units.append(
            Unit(
                partition,
                segment,
                rows[:, 0].copy(),
                rows[:, 1].copy(),
                rows[:, 2].astype(np.uint8),
                rows[:, 3].astype(np.bool_),
            )
        )
    return units


def merged_unit(units: Sequence[Unit], alive: Sequence[Mask], segment: Segment) -> Unit:
    """What `segment` holds: the documents that are `alive` of several units."""

    def joined(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([one[live] for one, live in zip(columns, alive, strict=True)])

    return Unit(
        units[0].partition,
        segment,
        joined([one.positions for one in units]),
        joined([one.received for one in units]),
        joined([one.state for one in units]),
        joined([one.gone for one in units]),
    )
