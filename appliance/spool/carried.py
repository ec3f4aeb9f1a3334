"""Records of kinds that only a later release understands: kept whole until it is here.

The journal has them, too, but forgets. They stand in nobody's way, and both nodes keep them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import apsw

from appliance.replica.frames import Carried
from appliance.replica.record import KINDS
from appliance.spool.journal import Journal
from appliance.spool.schema import rows

_COLUMNS = "inc, seq, epoch, at, kind, record"


def read(db: apsw.Connection, incarnations: Mapping[int, bytes]) -> Iterator[Carried]:
    """All of them, in the order in which each incarnation wrote its own."""
    for idx, *values in rows(db, f"SELECT {_COLUMNS} FROM carried ORDER BY inc, seq"):
        if idx in incarnations:
            yield Carried(incarnations[idx], *values)


class CarriedRecords:
    """The table `carried`. What changes it runs in the writer's transaction."""

    def __init__(self, connection: apsw.Connection, journal: Journal) -> None:
        self._db = connection
        self._journal = journal

    def keep(self, one: Carried) -> None:
        """Keep a record; that it is here already does not matter."""
        idx = self._journal.incarnations[one.incarnation].idx
        self._db.execute(
            f"INSERT OR IGNORE INTO carried({_COLUMNS}) VALUES(?,?,?,?,?,?)",
            (idx, one.seq, one.epoch, one.at, one.kind, one.data),
        )

    def __iter__(self) -> Iterator[Carried]:
        return read(self._db, {idx: known.id for idx, known in self._journal.by_idx.items()})

    def take_understood(self) -> list[Carried]:
        """Those that this release understands; they are carried no more."""
        found = [one for one in self if one.kind in KINDS]
        for one in found:
            idx = self._journal.incarnations[one.incarnation].idx
            self._db.execute("DELETE FROM carried WHERE inc=? AND seq=?", (idx, one.seq))
        return found
