"""The tables of a spool that somebody else writes, or wrote: nothing in them is trusted.

What cannot be read is counted and passed over. Each query is a read transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from appliance.mail.queue_id import queue_id
from appliance.replica.frames import Carried, Introduced
from appliance.replica.ownership import Claim
from appliance.replica.position import Mark
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion
from appliance.spool import carried
from appliance.spool.names import Names
from appliance.spool.schema import NUMBER_BITS, VERSION, rows

T = TypeVar("T")
_PIECE = 128 << 10
_ROWS = 32
_LAST = 1 << 62
_decode_claim = msgspec.msgpack.Decoder(Claim).decode
_decode_version = msgspec.msgpack.Decoder(SiteVersion).decode
_decode_register = msgspec.msgpack.Decoder(Register).decode

SEGMENTS = "SELECT lsn, inc, last, hash, segment FROM journal WHERE lsn>? ORDER BY lsn LIMIT ?"
MESSAGES = (
    "SELECT key, size, digest, external, arrived, state, envelope FROM message"
    " WHERE key>? ORDER BY key LIMIT ?"
)


class Tables:
    """Reads spool.db by `connection`, and large bodies in `content`.

    `damaged` counts places that could not be read. Raises apsw.Error, KeyError, TypeError or
    ValueError if what everything else hangs on cannot be read.
    """

    def __init__(self, connection: apsw.Connection, content: Path) -> None:
        self._db = connection
        self._content = content
        self.damaged = 0
        self.look()
        self._names = Names(self._db)

    def look(self) -> None:
        """Read anew which incarnations there are, and how far they go."""
        version = self._db.pragma("user_version")
        if not 1 <= version <= VERSION:
            raise ValueError(f"schema {version}, this release understands {VERSION}")
        meta = dict(rows(self._db, "SELECT name, value FROM meta"))
        self.node: bytes = meta["node"]
        self.clock: int = meta["clock"]
        self.indexes: dict[int, bytes] = {}
        self.incarnations = list[Introduced]()
        for index, id_, node, seq, hash_, at, pruned in rows(
            self._db, "SELECT idx, id, node, seq, hash, at, pruned FROM incarnation ORDER BY idx"
        ):
            self.indexes[index] = id_
            self.incarnations.append(Introduced(id_, node, Mark(seq, hash_), at, pruned))
        self._tags = dict(rows(self._db, "SELECT idx, tag FROM incarnation"))

    def queue_id(self, key: int) -> str:
        """The queue id of a row; raises LookupError."""
        return queue_id(self._tags[key >> NUMBER_BITS], key & (1 << NUMBER_BITS) - 1)

    def claims(self) -> Iterator[Claim]:
        """The claims that can be read."""
        return self._decoded("SELECT claim FROM claim", _decode_claim)

    def versions(self) -> Iterator[SiteVersion]:
        """The versions of the site's document that can be read."""
        return self._decoded("SELECT version FROM site", _decode_version)

    def registers(self) -> Iterator[Register]:
        """The registers that can be read."""
        return self._decoded("SELECT register FROM register", _decode_register)

    def carried(self) -> Iterator[Carried]:
        """Records that this spool could only carry."""
        with suppress(apsw.Error):  # an older release has no such table
            yield from carried.read(self._db, self.indexes)

    def _decoded(self, sql: str, decode: Callable[[bytes], T]) -> Iterator[T]:
        with suppress(apsw.Error):  # an older release has not all these tables
            for (data,) in rows(self._db, sql):
                try:
                    yield decode(data)
                except msgspec.DecodeError:
                    self.damaged += 1

    def table(self, sql: str) -> Iterator[Sequence[Any]]:
        """The rows of SEGMENTS or MESSAGES that can be read, in order."""
        for page in self.pages(sql):
            yield from page

    def pages(self, sql: str) -> Iterator[Sequence[Sequence[Any]]]:
        """The same; the rows of a page were read in one moment."""
        after = -_LAST
        while True:
            try:
                found = list(rows(self._db, sql, (after, _ROWS)))
            except apsw.BusyError:
                raise  # it can be read, but not now
            except apsw.Error:
                found = self._one(sql, after)
            if not found:
                return
            yield found
            after = found[-1][0]

    def _one(self, sql: str, after: int) -> list[Sequence[Any]]:
        """The next row that can be read, past as few as possible."""

        def attempt(place: int) -> list[Sequence[Any]] | None:
            try:
                return list(rows(self._db, sql, (place, 1)))
            except apsw.Error:
                return None

        found = attempt(after)
        if found is not None:
            return found
        self.damaged += 1
        return _first(attempt, after)

    def content(self, name: str, digest: bytes) -> bytes | None:
        """Inline content of a message, None if it is not there or not what it was."""
        try:
            body = self._db.execute(
                "SELECT body FROM content WHERE key=?", (self._names.key(name),)
            ).get
        except apsw.BusyError:
            raise
        except (LookupError, apsw.Error):
            return None
        return body if isinstance(body, bytes) and sha256(body).digest() == digest else None

    def knows(self, name: str) -> bool:
        """False if the message was pruned there."""
        try:
            key = self._names.key(name)
            return self._db.execute("SELECT 1 FROM message WHERE key=?", (key,)).get is not None
        except LookupError:
            return False
        except apsw.Error:
            return True

    def body(self, name: str) -> Iterator[bytes]:
        """A large body in pieces, as far as it can be read; its digest must be checked."""
        with suppress(OSError), open(self._content / name, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece


def _first(attempt: Callable[[int], list[Sequence[Any]] | None], after: int) -> list[Sequence[Any]]:
    step = 1
    while (found := attempt(after + step)) is None:
        if step >= _LAST:
            return []
        step *= 2
    low, high = after + step // 2, after + step
    while high - low > 1:
        middle = (low + high) // 2
        better = attempt(middle)
        if better is None:
            low = middle
        else:
            high, found = middle, better
    return found
