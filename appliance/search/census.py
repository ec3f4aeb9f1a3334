"""Compares the index with the spool: after a start, and when the journal has a gap.

In small steps: every call to the spool is a short transaction, and new mail goes on being indexed
in between.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from appliance.search.catalogue import Catalogue, State
from appliance.search.entry import state_of
from appliance.search.source import Place, Source

_PAGE = 1000
_OPEN = State.QUEUED | State.DEFERRED | State.HELD


@dataclass
class Census:
    """What a comparison found: `missing` in order of arrival, states that moved, what is gone."""

    missing: list[str] = field(default_factory=list)
    states: list[tuple[str, int]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def compare(source: Source, catalogue: Catalogue) -> Generator[None, None, Census]:
    """Take the census; stops after each page. Raises Unavailable, apsw.Error."""
    census = Census()
    missing = dict[str, int]()
    place: Place | None = None
    while True:
        ids, place = source.census(place, _PAGE)
        for queue_id in ids:
            if not catalogue.known(queue_id):
                arrived = source.arrived(queue_id)
                if arrived is not None:
                    missing[queue_id] = arrived
        yield
        if place is None:
            break
    census.missing = sorted(missing, key=lambda queue_id: (missing[queue_id], queue_id))
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
