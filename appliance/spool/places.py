"""Where the messages of a queue stand, found by the numbers in their queue ids."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from appliance.spool.schema import NUMBER_BITS

Place = tuple[int, int]
"""Where a message stands in the queue: since, key."""


class Places:
    """Messages are added, and never taken out: what has ended is for the searcher to see.

    Those of one incarnation come nearly in the order of their numbers; each is kept in order.
    """

    def __init__(self) -> None:
        self._since: dict[int, array[int]] = {}
        self._keys: dict[int, array[int]] = {}

    def add(self, since: int, key: int) -> None:
        """Add a message."""
        index = key >> NUMBER_BITS
        keys = self._keys.setdefault(index, array("q"))
        at = bisect_left(keys, key)
        keys.insert(at, key)
        self._since.setdefault(index, array("q")).insert(at, since)

    def find(self, ranges: Iterable[tuple[int, int]], most: int) -> set[Place] | None:
        """Where those stand with keys from a first to before an end; None if more than `most`.

        Each range is of one incarnation.
        """
        found = set[Place]()
        for first, end in ranges:
            index = first >> NUMBER_BITS
            keys = self._keys.get(index, array("q"))
            begins, ends = bisect_left(keys, first), bisect_left(keys, end)
            if len(found) + ends - begins > most:
                return None
            if begins < ends:
                found.update(zip(self._since[index][begins:ends], keys[begins:ends], strict=True))
        return found
