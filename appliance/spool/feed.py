"""The spool for those who follow it from another process: what came, what changed, what went.

Read-only, every call one short transaction: nothing that follows ever keeps the writer's WAL
from being checkpointed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import apsw
import msgspec

from appliance.mail.envelope import Envelope
from appliance.mail.feed import Changes, Mail
from appliance.mail.views import RecipientStatus, Unavailable
from appliance.replica.message import MessageState, RecipientState
from appliance.replica.record import (
    Accepted,
    Ended,
    Leased,
    Logged,
    Pruned,
    Removed,
    Result,
    decode,
)
from appliance.spool.content import ContentReader
from appliance.spool.names import Names
from appliance.spool.reading import Reading
from appliance.spool.schema import NUMBER_BITS, Stage, rows

_ENDED = {
    Result.DELIVERED: RecipientStatus.DELIVERED,
    Result.BOUNCED: RecipientStatus.BOUNCED,
    Result.EXPIRED: RecipientStatus.EXPIRED,
    Result.REMOVED: RecipientStatus.REMOVED,
}
_decode_state = msgspec.msgpack.Decoder(MessageState).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_START = (-1, -(1 << 63), 0)
# The key of a message has its incarnation above its number, and numbers are given in order.
_COUNTS = f"""
SELECT sum((SELECT max(key) FROM message
    WHERE key>=idx<<{NUMBER_BITS} AND key<(idx+1)<<{NUMBER_BITS}) & {(1 << NUMBER_BITS) - 1}),
  sum(seq) FROM incarnation
"""
_LETTER = "SELECT size, state, envelope, body FROM message LEFT JOIN content USING(key) WHERE key=?"

Place = tuple[int, int, int]
"""Where a census is: stage, since, key."""


class Feed:
    """The spool in the folder `spool`, for one thread at a time; opened when first asked.

    Every method raises `mail.views.Unavailable` while the spool cannot be read.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = Reading(spool)
        self._content = ContentReader(spool)

    def close(self) -> None:
        """Close the database; a later call opens it again."""
        self._content.close()
        self._spool.close()

    def identity(self) -> str:
        """Tells this spool from another that lies or lay at the same place."""
        with self._spool.moment() as (db, _):
            node: bytes | None = db.execute("SELECT value FROM meta WHERE name='node'").get
            first: bytes | None = db.execute("SELECT id FROM incarnation ORDER BY idx LIMIT 1").get
        return f"{(node or b'').hex()}-{(first or b'').hex()}"

    def head(self) -> Changes:
        """The end of the journal."""
        with self._spool.moment() as (db, _):
            lsn: int | None = db.execute("SELECT max(lsn) FROM journal").get
            tips = dict(rows(db, "SELECT idx, seq FROM incarnation"))
        return Changes(lsn=lsn or 0, tips=tips)

    def counts(self) -> tuple[int, int]:
        """How many messages and how many records there have been; to be compared with later."""
        with self._spool.moment() as (db, _):
            ((messages, records),) = rows(db, _COUNTS)
        return messages or 0, records or 0

    def changes(self, lsn: int, tips: Mapping[int, int], limit: int) -> Changes:
        """What comes behind `lsn` and `tips`, of `limit` segments at most."""
        with self._spool.moment() as (db, _):
            found = list(
                rows(
                    db,
                    "SELECT lsn, inc, last, segment FROM journal WHERE lsn>? ORDER BY lsn LIMIT ?",
                    (lsn, limit),
                )
            )
            last: int | None = db.execute("SELECT max(lsn) FROM journal").get
            marks = list(rows(db, "SELECT idx, seq FROM incarnation"))
        reached = dict(tips)
        told = _Told()
        for _, incarnation, end, segment in found:
            reached[incarnation] = max(reached.get(incarnation, 0), end)
            told.take(segment)
        head = len(found) < limit
        # Segments are numbered without gaps; a snapshot moves a tip without writing any.
        gap = (last or 0) < lsn or bool(found and found[0][0] != lsn + 1)
        gap = gap or (head and any(seq > reached.get(index, 0) for index, seq in marks))
        return Changes(
            lsn=found[-1][0] if found else lsn,
            tips=reached,
            accepted=tuple(told.accepted),
            touched=tuple(told.touched),
            gone=tuple(told.gone),
            head=head,
            gap=gap,
        )

    def census(self, after: Place | None, limit: int) -> tuple[Sequence[str], Place | None]:
        """Some queue ids of all that are here, and where to go on; None at the end.

        In no order that means anything; a message that moves on meanwhile may be told twice.
        """
        stage, since, key = after or _START
        sql = (
            "SELECT stage, since, key FROM message WHERE (stage, since, key) > (?, ?, ?)"
            " ORDER BY stage, since, key LIMIT ?"
        )
        with self._spool.moment() as (db, names):
            found = list(rows(db, sql, (stage, since, key, limit)))
            ids = [names.queue_id(key) for _, _, key in found]
        return ids, tuple(found[-1]) if len(found) == limit else None

    def count(self) -> int:
        """How many messages are here."""
        with self._spool.moment() as (db, _):
            return int(
                sum(
                    db.execute("SELECT count(*) FROM message WHERE stage=?", (stage,)).get
                    for stage in Stage
                )
            )

    def arrived(self, queue_id: str) -> int | None:
        """When a message arrived here, in this node's running time; None if it is not here."""
        with self._spool.moment() as (db, names):
            key = _key(names, queue_id)
            found: int | None = db.execute("SELECT arrived FROM message WHERE key=?", (key,)).get
            return found

    def status(self, queue_id: str) -> frozenset[RecipientStatus] | None:
        """Where the recipients of a message stand; None if it is not here."""
        with self._spool.moment() as (db, names):
            state: bytes | None = db.execute(
                "SELECT state FROM message WHERE key=?", (_key(names, queue_id),)
            ).get
        return _status(state) if state is not None else None

    def letters(self, queue_ids: Iterable[str], limit: int) -> Iterator[tuple[Mail, bytes]]:
        """Those of the messages that are here, each with its first `limit` bytes at least.

        A message whose content is lost comes without.
        """
        found = list[tuple[Mail, bytes | None]]()
        with self._spool.moment() as (db, names):
            for queue_id in queue_ids:
                row = db.execute(_LETTER, (_key(names, queue_id),)).fetchone()
                if row is not None:
                    found.append((_mail(queue_id, *row[:3]), row[3]))
        for mail, body in found:
            yield mail, self._external(mail.queue_id, limit) if body is None else body

    def _external(self, queue_id: str, limit: int) -> bytes:
        blocks, size = list[bytes](), 0
        try:
            for block in self._content.chunks(queue_id):
                blocks.append(block)
                size += len(block)
                if size >= limit:
                    break
        except LookupError:
            return b""
        except (apsw.Error, OSError) as error:
            self.close()
            raise Unavailable(f"the spool cannot be read: {error}") from error
        return b"".join(blocks)


class _Told:
    """The queue ids in segments, by what happened to them."""

    def __init__(self) -> None:
        self.accepted = list[str]()
        self.touched: dict[str, None] = {}
        self.gone = list[str]()

    def take(self, data: bytes) -> None:
        for record in decode(data).records:
            match record:
                case Accepted():
                    self.accepted.append(record.queue_id)
                case Leased() | Ended() | Logged() | Removed():
                    self.touched[record.queue_id] = None
                case Pruned():
                    self.gone += record.queue_ids


def _key(names: Names, queue_id: str) -> int:
    try:
        return names.key(queue_id)
    except LookupError:
        return -1


def _mail(queue_id: str, size: int, state: bytes, packed: bytes) -> Mail:
    envelope = _decode_envelope(packed)
    return Mail(
        queue_id=queue_id,
        sender=envelope.sender,
        recipients=tuple([one.address for one in envelope.recipients]),
        received_at=envelope.received_at,
        size=size,
        status=_status(state),
    )


def _status(packed: bytes) -> frozenset[RecipientStatus]:
    return frozenset(map(_stands, _decode_state(packed).recipients))


def _stands(recipient: RecipientState) -> RecipientStatus:
    final = recipient.final
    if final is not None:
        return _ENDED[final]
    if recipient.log.held:
        return RecipientStatus.HELD
    tried = recipient.log.tries > 0 or recipient.log.note is not None
    return RecipientStatus.DEFERRED if tried else RecipientStatus.QUEUED
