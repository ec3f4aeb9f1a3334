"""Records that could not be applied: kept, shown, and in nobody's way (rule 11)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import apsw

from appliance.spool.journal import Journal
from appliance.spool.messages import key_of
from appliance.spool.schema import rows


class Unapplied:
    """The table `unapplied`; `count` is its length."""

    def __init__(self, connection: apsw.Connection, journal: Journal) -> None:
        self._db = connection
        self._journal = journal
        self.count: int = connection.execute("SELECT count(*) FROM unapplied").get

    def add(self, queue_id: str, incarnation: bytes, seq: int, reason: str) -> None:
        """Set a record aside; `queue_id` is "" if it speaks of no message."""
        key = None
        with suppress(LookupError):
            key = key_of(queue_id, self._journal)
        self._db.execute(
            "INSERT OR IGNORE INTO unapplied(inc, seq, key, reason) VALUES(?,?,?,?)",
            (self._journal.incarnations[incarnation].idx, seq, key, reason),
        )
        self.count += self._db.changes()

    def __contains__(self, key: int) -> bool:
        """Whether a record about the message with this row is among them."""
        return self._db.execute("SELECT 1 FROM unapplied WHERE key=?", (key,)).get is not None

    def __iter__(self) -> Iterator[int]:
        """The rows of the messages concerned."""
        for (key,) in rows(self._db, "SELECT DISTINCT key FROM unapplied WHERE key IS NOT NULL"):
            yield key

    def forget(self, key: int) -> None:
        """The message has ended and is pruned: nothing is left to apply."""
        self._db.execute("DELETE FROM unapplied WHERE key=?", (key,))
        self.count -= self._db.changes()
