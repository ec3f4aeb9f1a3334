"""Reads the spool's journal on: what came goes to the backlog, what moved and went is kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from appliance.search.backlog import Backlog
from appliance.search.catalogue import Mark
from appliance.search.source import Source

_SEGMENTS = 500
"""Segments of the journal that are read at once."""
_MOST_WAITING = 100_000
"""Messages that are kept in mind; the rest waits in the journal."""


class Follower:
    """Where the journal was read to. `clock` is monotonic, in milliseconds."""

    def __init__(self, source: Source, backlog: Backlog, clock: Callable[[], int]) -> None:
        self._source = source
        self._backlog = backlog
        self._clock = clock
        self._touched: dict[str, None] = {}
        self._gone = list[str]()
        self.mark: Mark | None = None
        """None until something is read."""
        self.head = False
        """Whether the journal had no more than was read of it last."""

    def start(self, mark: Mark) -> None:
        """Read on from there."""
        self.mark, self.head = mark, False

    def forget(self) -> None:
        """Read nothing of what was read."""
        self._touched, self._gone = {}, []
        self.mark, self.head = None, False

    def read(self) -> bool:
        """Read some; False if there was nothing, or enough is in mind. Raises Unavailable."""
        mark = self.mark
        assert mark is not None
        if max(len(self._backlog), len(self._touched), len(self._gone)) > _MOST_WAITING:
            self.head = False
            return False
        now = self._clock()
        changes = self._source.changes(mark.lsn, mark.tips, _SEGMENTS)
        if changes.gap:
            raise Gap
        self.head = changes.head
        self.mark = Mark(mark.spool, changes.lsn, dict(changes.tips))
        self._backlog.expect(changes.accepted)
        self._backlog.mark(self.mark, now if changes.head else None)
        self._touched |= dict.fromkeys(changes.touched)
        self._gone += changes.gone
        return changes.lsn != mark.lsn

    def skip(self) -> None:
        """Go on at the journal's end; what is in between is not told. Raises Unavailable."""
        assert self.mark is not None
        head = self._source.head()
        self.start(Mark(self.mark.spool, head.lsn, dict(head.tips)))

    @property
    def changed(self) -> bool:
        """Whether something moved or went since it was asked."""
        return bool(self._touched or self._gone)

    def take_changes(self, most: int) -> tuple[list[str], list[str]]:
        """Some messages that moved, and some that are gone."""
        touched, gone = list(islice(self._touched, most)), self._gone[:most]
        for queue_id in touched:
            del self._touched[queue_id]
        del self._gone[:most]
        return touched, gone


class Gap(Exception):
    """Something in the journal is not told; what is there has to be counted anew."""
