"""All that a spool holds, copied beside its writer, for a backup.

As a snapshot for a peer, whole messages are read in key order while the node goes on working, each
with its content and in short read transactions. Between them come the segments that were written
meanwhile, so what is copied is the state of one moment: the end.

SQLite's own ways do not do: a copy by `VACUUM INTO` or the backup API in one step is one read
transaction, for as long as the target is slow, in which the WAL only grows (rule 11); in several
steps the backup API begins anew after each commit of the writer, so under load it never ends.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from hashlib import sha256
from pathlib import Path

import apsw
import msgspec

from appliance.replica.frames import (
    Batch,
    BodyChunk,
    Copy,
    Frame,
    SnapshotBegin,
    SnapshotEnd,
    SnapshotPart,
)
from appliance.replica.message import MessageState
from appliance.replica.record import Accepted, Segment, decode
from appliance.spool import carried
from appliance.spool.schema import VERSION, open_reader, rows
from appliance.spool.site import SiteTables
from appliance.spool.sizes import USUAL, Sizes
from appliance.spool.snapshot import carried_parts, site_parts
from appliance.spool.tables import MESSAGES, Tables

_NEXT = "SELECT lsn, inc, segment FROM journal WHERE lsn>? ORDER BY lsn LIMIT 1"
_decode_state = msgspec.msgpack.Decoder(MessageState).decode


class Moved(Exception):
    """Something came by another way than the journal, or that was pruned: copy anew."""


class Unreadable(Exception):
    """There is no spool of this release, or its disk cannot be read."""


class Copying:
    """Copies the spool in the folder `spool`, once; for one thread.

    `messages` and `total` tell how far it is; `damaged` counts what could not be read.
    """

    def __init__(self, spool: Path, sizes: Sizes = USUAL) -> None:
        """Raises Unreadable."""
        self._sizes = sizes
        try:
            self._db = open_reader(str(spool / "spool.db"))
        except apsw.Error as error:
            raise Unreadable(f"the spool cannot be read: {error}") from error
        try:
            self._tables = Tables(self._db, spool / "content")
            version = self._db.pragma("user_version")
            if version != VERSION:
                raise Unreadable(f"the spool has schema {version}, this release reads {VERSION}")
            self._begin()
        except (apsw.Error, KeyError, TypeError, ValueError) as error:
            self.close()
            raise Unreadable(f"the spool cannot be read: {error}") from error

    def _begin(self) -> None:
        """One moment: where the journal stands, and who owns what."""
        self._db.execute("BEGIN")
        try:
            self._tables.look()
            self._lsn: int = self._db.execute("SELECT max(lsn) FROM journal").get or 0
            tables = self._tables
            aside = [key for (key,) in rows(self._db, "SELECT key FROM unapplied") if key]
            self._head = SnapshotBegin(
                tuple(tables.incarnations),
                tuple(tables.claims()),
                frozenset(tables.queue_id(key) for key in aside),
            )
        finally:
            self._db.execute("END")
        self.total: int = self._db.execute("SELECT count(*) FROM message").get
        self._from = {one.id: one.tip.seq for one in self._head.incarnations}
        self._reached = dict(self._from)
        self.messages = 0
        self.lost = 0

    @property
    def damaged(self) -> int:
        """Places that could not be read, and messages without their content."""
        return self._tables.damaged + self.lost

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def frames(self) -> Iterator[Frame]:
        """Everything; raises Moved, Unreadable."""
        try:
            yield self._head
            yield from self._copies()
            site = SiteTables(self._db)
            yield from site_parts(site, list(site.headers()), {})
            yield from carried_parts(carried.read(self._db, self._tables.indexes))
            yield from self._written()
            self._check()
            yield SnapshotEnd()
        except (apsw.Error, msgspec.DecodeError) as error:
            raise Unreadable(f"the spool cannot be read: {error}") from error

    def _copies(self) -> Iterator[Frame]:
        for page in self._tables.pages(MESSAGES):
            copies, size = list[Copy](), 0
            for row in page:
                copy = yield from self._copy(*row)
                if copy is None:
                    continue
                self.messages += 1
                copies.append(copy)
                size += len(copy.state) + len(copy.envelope) + len(copy.content or b"")
                if size >= self._sizes.part:
                    yield SnapshotPart({}, tuple(copies))
                    copies, size = [], 0
            if copies:
                yield SnapshotPart({}, tuple(copies))
            # Not before: what was written since the page was read must follow its messages.
            yield from self._written()

    def _copy(
        self,
        key: int,
        size: int,
        digest: bytes,
        external: bool,
        arrived: int,
        state: bytes,
        envelope: bytes,
    ) -> Generator[Frame, None, Copy | None]:
        """One message, its body ahead of it if that is a file; None if it comes otherwise."""
        known = _decode_state(state)
        if known.seq > self._from.get(known.incarnation, 0):
            return None  # accepted since the beginning: it comes with its segment
        name = self._tables.queue_id(key)
        age = max(0, self._tables.clock - arrived)
        content, sound = yield from self._content(name, size, digest, external)
        if not sound and not self._tables.knows(name):
            return None  # pruned meanwhile
        self.lost += not sound
        return Copy(
            name, size, digest, bool(external), age, state, envelope, content, damaged=not sound
        )

    def _content(
        self, name: str, size: int, digest: bytes, external: bool
    ) -> Generator[Frame, None, tuple[bytes | None, bool]]:
        if not external:
            content = self._tables.content(name, digest)
            return content, content is not None
        hashed, offset = sha256(), 0
        for piece in self._tables.body(name):
            yield BodyChunk(name, offset, piece)
            hashed.update(piece)
            offset += len(piece)
        return None, offset == size and hashed.digest() == digest

    def _written(self) -> Iterator[Frame]:
        """The segments that were written since this was asked last."""
        while row := self._db.execute(_NEXT, (self._lsn,)).fetchone():
            self._lsn, index, data = row
            segment = decode(data)
            if segment.first != self._reached.get(segment.incarnation, 0) + 1:
                raise Moved(f"the journal has a gap before {segment.first}")
            self._reached[segment.incarnation] = segment.last
            if index not in self._tables.indexes:
                self._tables.look()
            yield from self._segment(segment, data)

    def _segment(self, segment: Segment, data: bytes) -> Iterator[Frame]:
        contents, gone, damaged = dict[str, bytes](), set[str](), set[str]()
        for record in segment.records:
            if not isinstance(record, Accepted):
                continue
            content, sound = yield from self._content(
                record.queue_id, record.size, record.digest, record.external
            )
            if content is not None:
                contents[record.queue_id] = content
            if sound:
                self.messages += 1
            else:
                (damaged if self._tables.knows(record.queue_id) else gone).add(record.queue_id)
        self.lost += len(damaged)
        yield Batch(data, contents, frozenset(gone), frozenset(damaged))

    def _check(self) -> None:
        """What came since the beginning came by the journal, all of it."""
        self._db.execute("BEGIN")
        try:
            self._tables.look()
            behind = "SELECT inc, max(last) FROM journal WHERE lsn>? GROUP BY inc"
            later = {
                self._tables.indexes[i]: last for i, last in rows(self._db, behind, (self._lsn,))
            }
        finally:
            self._db.execute("END")
        expected = self._reached | later
        if any(one.tip.seq != expected.get(one.id, 0) for one in self._tables.incarnations):
            raise Moved("messages came by a snapshot or from a salvaged disk")
