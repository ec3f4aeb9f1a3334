"""Answers a query: the newest first, unit by unit, until enough is found or the time is up.

In a unit every part of the query is a mask over its documents. What is cheap and rare goes first
and bounds what the rest looks at; positions of phrases are read only for documents that all else
leaves, the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.search.catalogue import Lookups
from appliance.search.scan import Scan
from appliance.search.segment import Damaged
from appliance.search.tree import And, Node, Not, Or, Phrase
from appliance.search.unit import Unit

_CHUNK, _GROWTH = 1024, 16
"""Documents whose phrases are looked at first, and how many times as many in each next step."""


@dataclass(frozen=True)
class Found:
    """Positions, the newest first. `more`: there may be others behind `reached`.

    `reached`: everything from this position on was looked at. `timely`: False if the time was up
    before `wanted` were found. `skipped`: units that could not be read.
    """

    positions: tuple[int, ...]
    more: bool
    reached: int
    timely: bool = True
    skipped: int = 0


class Search:
    """One query over the `units` of one moment, the newest first."""

    def __init__(
        self,
        node: Node,
        units: Sequence[Unit],
        lookups: Lookups,
        damaged: Callable[[Unit, str], None],
        expired: Callable[[], bool],
    ) -> None:
        """`damaged` is told of units that cannot be read; `expired`: the time is up."""
        self._node = node
        self._units = units
        self._lookups = lookups
        self._damaged = damaged
        self._expired = expired
        self._chunk = _CHUNK

    def newest(self, wanted: int, before: int | None = None) -> Found:
        """At most `wanted` hits, those in front of position `before`."""
        hits, skipped = list[int](), 0
        reached = before if before is not None else 1 << 62
        for unit in self._units:
            if before is not None and unit.positions[0] >= before:
                continue
            if self._expired():
                return Found(tuple(hits), True, reached, False, skipped)
            try:
                for position in self._in(unit, before):
                    if position >= 0:
                        hits.append(position)
                        if len(hits) == wanted:
                            return Found(tuple(hits), True, position, True, skipped)
                    else:  # nothing in a chunk: the moment to look at the clock
                        reached = -position
                        if self._expired():
                            return Found(tuple(hits), True, reached, False, skipped)
            except Damaged as error:
                skipped += 1
                self._damaged(unit, str(error))
            reached = int(unit.positions[0])
        return Found(tuple(hits), False, 0, True, skipped)

    def _in(self, unit: Unit, before: int | None) -> Iterator[int]:
        """Hits of a unit, the newest first; −position wherever one may stop in between."""
        within = ~unit.gone
        if before is not None and unit.positions[-1] >= before:
            within[np.searchsorted(unit.positions, before) :] = False
        scan = Scan(unit, self._lookups)
        cheap, costly = _split(self._node)
        for part in sorted(cheap, key=scan.cost):
            within = scan.mask(part, within)
            if not within.any():
                return
        left = np.flatnonzero(within)[::-1]
        if not costly:
            yield from unit.positions[left].tolist()
            return
        while len(left):
            chunk, left = left[: self._chunk], left[self._chunk :]
            self._chunk *= _GROWTH  # in the units that follow, too: hits are not that many
            mask = np.zeros(unit.documents, np.bool_)
            mask[chunk] = True
            for part in costly:
                mask = scan.mask(part, mask)
            yield from unit.positions[chunk[mask[chunk]]].tolist()
            yield -int(unit.positions[chunk[-1]])


def _split(node: Node) -> tuple[list[Node], list[Node]]:
    """What must hold: parts without phrases, and those with one."""
    parts = node.parts if isinstance(node, And) else (node,)
    costly = [part for part in parts if _has_phrase(part)]
    return [part for part in parts if part not in costly], costly


def _has_phrase(node: Node) -> bool:
    match node:
        case Phrase():
            return True
        case And() | Or():
            return any(_has_phrase(part) for part in node.parts)
        case Not():
            return _has_phrase(node.part)
    return False
