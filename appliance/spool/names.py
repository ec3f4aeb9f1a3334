"""Queue ids and rows of spool.db for those who only read it."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from appliance.mail.queue_id import QueueId, numbers, parse, queue_id
from appliance.spool.schema import NUMBER_BITS, rows


class Names:
    """Turns queue ids into rows and back; remembers incarnations, reads anew of unknown ones."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._index: dict[str, int] = {}
        self._tags: dict[int, str] = {}

    def key(self, name: str) -> int:
        """The row of a message; raises LookupError if no incarnation known here made the id."""
        try:
            tag, number = parse(name)
        except ValueError:
            raise LookupError(f"no message {name}") from None
        index = self._index.get(tag)
        if index is None:
            self._refresh()
            index = self._index.get(tag)
        if index is None or number >> NUMBER_BITS:
            raise LookupError(f"no message {name}")
        return index << NUMBER_BITS | number

    def queue_id(self, key: int) -> QueueId:
        """The queue id of a row, as it is spelled everywhere."""
        index = key >> NUMBER_BITS
        if index not in self._tags:
            self._refresh()
        return queue_id(self._tags[index], key & (1 << NUMBER_BITS) - 1)

    def keys(self, begins: str) -> Iterator[tuple[int, int]]:
        """The rows whose queue ids begin so, as ranges: from the first to before the second."""
        self._refresh()
        for name, index in self._index.items():
            if name.startswith(begins):
                yield index << NUMBER_BITS, (index + 1) << NUMBER_BITS
            elif begins.startswith(name):
                for first, end in numbers(begins[len(name) :], NUMBER_BITS):
                    yield index << NUMBER_BITS | first, (index << NUMBER_BITS) + end

    def _refresh(self) -> None:
        for index, tag in rows(self._db, "SELECT idx, tag FROM incarnation"):
            self._index[tag] = index
            self._tags[index] = tag
