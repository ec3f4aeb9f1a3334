"""Compares the index with the spool: after a start, and when the journal has a gap.

In small steps: every call to the spool is a short transaction, and new mail goes on being indexed
in between. What is missing may be a million messages: it is kept as arrays.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np

from appliance.search.catalogue import Catalogue, State
from appliance.search.entry import state_of
from appliance.search.source import Place, Source

_PAGE = 1000
_OPEN = State.QUEUED | State.DEFERRED | State.HELD


class Missing:
    """Messages that are not in the index."""

    def __init__(self) -> None:
        self._ids = list[np.ndarray[tuple[int], np.dtype[np.bytes_]]]()
        self._arrived = list[np.ndarray[tuple[int], np.dtype[np.int64]]]()

    def add(self, found: dict[str, int]) -> None:
        """Some more, each with when it arrived."""
        if found:
            self._ids.append(np.array(list(found), np.bytes_))
            self._arrived.append(np.array(list(found.values()), np.int64))

    def portions(self, size: int) -> Iterator[list[str]]:
        """All of them in order of arrival, `size` at a time; forgets them."""
        if not self._ids:
            return
        ids, arrived = np.concatenate(self._ids), np.concatenate(self._arrived)
        self._ids, self._arrived = [], []
        order = np.lexsort((ids, arrived))
        for start in range(0, len(order), size):
            yield [one.decode() for one in ids[order[start : start + size]].tolist()]


@dataclass
class Census:
    """What a comparison found: who is missing, states that moved, what is gone."""

    missing: Missing = field(default_factory=Missing)
    states: list[tuple[str, int]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def compare(source: Source, catalogue: Catalogue) -> Generator[None, None, Census]:
    """Take the census; stops after each page. Raises Unavailable, apsw.Error."""
    census = Census()
    place: Place | None = None
    while True:
        ids, place = source.census(place, _PAGE)
        known = catalogue.known(ids)
        arrived = {one: source.arrived(one) for one in ids if one not in known}
        census.missing.add({one: at for one, at in arrived.items() if at is not None})
        yield
        if place is None:
            break
    after = 0
    while rows := catalogue.page(after, _PAGE):
        after = rows[-1][0]
        for _, queue_id, state in rows:
            _look(source, census, queue_id, state)
        yield
    return census


def _look(source: Source, census: Census, queue_id: str, state: int) -> None:
    """What has come to its end stays so: only whether it is still there is asked."""
    if not state & _OPEN:
        if source.arrived(queue_id) is None:
            census.gone.append(queue_id)
        return
    status = source.status(queue_id)
    if status is None:
        census.gone.append(queue_id)
    elif state_of(status) != state:
        census.states.append((queue_id, state_of(status)))
