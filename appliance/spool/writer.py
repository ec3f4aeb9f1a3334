"""The segments of a turn: journalled here, and to be sent to the peer while they are committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.replica.record import Accepted, Record, Segment
from appliance.spool.store import Store
from appliance.spool.waiting import Waiting


class Writer:
    """Writes what this node decides; `written` is what the peer does not have yet."""

    def __init__(self, store: Store, waiting: Waiting) -> None:
        self._store = store
        self._waiting = waiting
        self.written: list[tuple[Segment, bytes, Mapping[str, bytes]]] = []

    def write(self, records: Sequence[Record], contents: Mapping[str, bytes], running: int) -> int:
        """Journal records of this node's own; returns the number of the first."""
        segment, data = self._store.write(records, contents, running)
        self.wrote(segment, data, contents)
        return segment.first

    def wrote(self, segment: Segment, data: bytes, contents: Mapping[str, bytes]) -> None:
        """A segment was journalled."""
        self.written.append((segment, data, contents))
        for seq, record in enumerate(segment.records, segment.first):
            if isinstance(record, Accepted):
                self._waiting.accepted(seq)
