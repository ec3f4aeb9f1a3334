"""Reads the spool for operators: the queue, one message's story, the mailboxes.

Costs: `counts` and `oldest` read a few rows however long the queue is; `ages` counts entries of an
index, 600,000 at most. A page of the queue follows an index and looks at `_BUDGET` messages; what
a filter means in a long queue is told by `finder`, once that is made.
`mailboxes` reads one small row for each message filed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from heapq import merge
from pathlib import Path
from typing import Any

import apsw
import msgspec

from appliance.mail.envelope import Envelope
from appliance.mail.views import (
    AGES,
    MailboxEntry,
    MailboxPage,
    MailboxView,
    MailView,
    MessageStory,
    QueueCounts,
    QueueEntry,
    QueueFilter,
    QueuePage,
    Unavailable,
)
from appliance.replica.message import MessageState
from appliance.spool.content import ContentReader
from appliance.spool.finder import MANY, Finder
from appliance.spool.names import Names
from appliance.spool.places import Place
from appliance.spool.reading import Reading
from appliance.spool.scene import Scene, read_scene
from appliance.spool.schema import NUMBER_BITS, Stage, rows
from appliance.spool.story import story
from appliance.spool.tally import Standing, standing
from appliance.spool.wanted import Wanted

_BUDGET = 4000
"""Messages that one call looks at, so that each transaction is short."""
_LOOKED_AT = 100
_BLOCK = 256 * 1024

_PAGE = (
    "SELECT since, key, seq, size, arrived, state, envelope FROM message"
    " WHERE stage=? AND (since, key) < (?, ?) ORDER BY since DESC, key DESC LIMIT ?"
)
_OLDEST = "SELECT since, state FROM message WHERE stage=? ORDER BY since LIMIT ?"
_WAIT = "SELECT standing, sum(recipients) FROM tally GROUP BY standing HAVING sum(recipients)"
_STANDING = (
    "SELECT since, key, seq, size, arrived, state, envelope FROM message WHERE key=? AND stage=0"
)
_AGED = (
    "SELECT count(*) FROM"
    " (SELECT 1 FROM message WHERE stage=? AND since > ? AND since <= ? LIMIT 100000)"
)
_MESSAGE = "SELECT seq, size, arrived, state, envelope, trace FROM message WHERE key=?"
_DIGESTS = "SELECT digest FROM mailbox JOIN message USING (key) WHERE mailbox = ?"
_FILED = (
    "SELECT filed.arrived, filed.key, filed.size, state, envelope"
    " FROM mailbox AS filed JOIN message ON message.key = filed.key"
    " WHERE mailbox=? AND (filed.arrived, filed.key) > (?, ?)"
    " ORDER BY filed.arrived, filed.key LIMIT ?"
)
_FILED_LAST = (
    "SELECT filed.arrived, filed.key, filed.size, state, envelope"
    " FROM mailbox AS filed JOIN message ON message.key = filed.key"
    " WHERE mailbox=? AND (filed.arrived, filed.key) < (?, ?)"
    " ORDER BY filed.arrived DESC, filed.key DESC LIMIT ?"
)
_decode_state = msgspec.msgpack.Decoder(MessageState).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_END = (1 << 63) - 1


class Reader:
    """The spool in the folder `spool`, for one thread at a time; opened when first asked.

    `name` is this node's. `mail` gives the mail process's last word, None if it does not answer:
    it knows who the peer is and what this node may act on. `clock` is the monotonic one that
    process uses, in milliseconds. Every method raises `mail.views.Unavailable`.
    """

    def __init__(
        self,
        spool: Path,
        name: str,
        mail: Callable[[], MailView | None],
        clock: Callable[[], int],
    ) -> None:
        self._spool = Reading(spool)
        self._name = name
        self._mail = mail
        self._clock = clock
        self._content = ContentReader(spool)
        self._finder = Finder(spool, clock)

    def close(self) -> None:
        """Close the database; a later call opens it again."""
        self._content.close()
        self._finder.close()
        self._spool.close()

    def counts(self) -> QueueCounts:
        """How many recipients are in the queue, by state and by owner."""
        self._finder.rest()
        totals = dict.fromkeys(QueueCounts.__struct_fields__, 0)
        with self._reading() as (db, _, scene):
            found = rows(
                db,
                "SELECT lane.inc, lane.high, standing, recipients FROM tally"
                " JOIN lane ON lane.id = tally.lane",
            )
            for index, high, stands, recipients in found:
                owner = scene.owner(index, high)
                status = scene.status(Standing(stands), scene.acts(index, owner))
                totals[status] += recipients
                mine = owner == scene.node
                totals["owned_here" if mine else "owned_by_peer"] += recipients
        return QueueCounts(**totals)

    def oldest(self) -> int:
        """Age in ms of the oldest message in the queue that is not held, 0 if there is none.

        Behind `_LOOKED_AT` messages on hold it is as old as the last of these, at most.
        """
        age: int = 0
        with self._reading() as (db, _, scene):
            found = list(rows(db, _OLDEST, (Stage.OPEN, _LOOKED_AT)))
            for arrived, state in found:
                age = max(0, scene.now - arrived)
                stands = [standing(one) for one in _decode_state(state).recipients]
                if any(one not in (None, Standing.HELD) for one in stands):
                    return age
        return age if len(found) == _LOOKED_AT else 0

    def ages(self) -> Sequence[int]:
        """How many messages in the queue are at most as old as each of `AGES`, and older than all.

        Each counts to 100,000 at most: behind that it makes no difference.
        """
        with self._reading() as (db, _, scene):
            newest, found = _END, list[int]()
            for age in (*AGES, None):
                oldest = -_END if age is None else scene.now - age
                found += [many for (many,) in rows(db, _AGED, (Stage.OPEN, oldest, newest))]
                newest = oldest
        return found

    def queue(self, wanted: QueueFilter, limit: int, after: str) -> QueuePage:
        """At most `limit` messages that fit, newest first, from behind `after`.

        Ended ones have the place of their end. LookupError if `after` is no place.
        """
        place = _place(after, (_END, _END))
        chosen = Wanted(wanted)
        entries = list[QueueEntry]()
        with self._reading() as (db, _, _):
            waiting = dict(rows(db, _WAIT))
        if not (wanted.ended or chosen.stands(map(Standing, waiting))):
            return QueuePage(entries=())
        if sum(waiting.values()) >= MANY:
            self._finder.prepare()
        with (
            self._reading() as (db, names, scene),
            closing(self._found(db, names, wanted, place)) as found,
        ):
            for looked, (since, key, *row) in enumerate(found, 1):
                entry = _entry(names, scene, chosen, key, row)
                if entry is not None:
                    entries.append(entry)
                if len(entries) == limit or looked == _BUDGET:
                    return QueuePage(entries=tuple(entries), after=f"{since}.{key}")
        return QueuePage(entries=tuple(entries))

    def _found(
        self, db: apsw.Connection, names: Names, wanted: QueueFilter, place: Place
    ) -> Generator[Any, None, None]:
        """Rows of all that can be meant, newest first, from behind `place`."""
        places = self._finder.places(names, wanted)
        if places is None:
            return _newest_first(db, wanted.ended, place)
        return _one_by_one(db, (one for one in places if one < place))

    def message(self, queue_id: str) -> MessageStory:
        """One message with its story; raises LookupError."""
        with self._reading() as (db, names, scene):
            key = names.key(queue_id)
            row = db.execute(_MESSAGE, (key,)).fetchone()
            if row is None:
                raise LookupError(f"no message {queue_id}")
            return _story(db, names, scene, key, row)

    def mailboxes(self) -> Sequence[MailboxView]:
        """All mailboxes that hold something, by name."""
        with self._reading() as (db, _, _):
            found = rows(
                db, "SELECT mailbox, count(*), sum(size) FROM mailbox GROUP BY mailbox ORDER BY 1"
            )
            return [MailboxView(name=name, messages=n, size=size) for name, n, size in found]

    def mailbox(self, name: str, limit: int, after: str, newest: bool = False) -> MailboxPage:
        """At most `limit` messages of a mailbox, oldest first or newest first, behind `after`.

        LookupError if `after` is no place.
        """
        end = _END if newest else -_END
        place, sql = _place(after, (end, end)), _FILED_LAST if newest else _FILED
        with self._reading() as (db, names, _):
            found = list(rows(db, sql, (name, *place, limit)))
            entries = tuple([_filed(names, name, *row[1:]) for row in found])
        more = f"{found[-1][0]}.{found[-1][1]}" if len(found) == limit else ""
        return MailboxPage(entries=entries, after=more)

    def digests(self, mailbox: str) -> Sequence[str]:
        """SHA-256 in hex of the content of everything in a mailbox."""
        with self._reading() as (db, _, _):
            found = rows(db, _DIGESTS, (mailbox,))
            return [digest.hex() for (digest,) in found]

    def chunks(self, queue_id: str) -> Iterator[bytes]:
        """The content in blocks; LookupError if there is none, at the first block at the latest."""
        try:
            return self._content.chunks(queue_id, _BLOCK)
        except apsw.Error as error:
            self.close()
            raise Unavailable(f"the spool cannot be read: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[tuple[apsw.Connection, Names, Scene]]:
        with self._spool.moment() as (db, names):
            yield db, names, read_scene(db, self._name, self._mail(), self._clock())


def _place(after: str, start: tuple[int, int]) -> tuple[int, int]:
    if not after:
        return start
    try:
        order, _, key = after.partition(".")
        place = int(order), int(key)
    except ValueError:
        raise LookupError(f"no place {after}") from None
    if any(abs(number) > _END for number in place):
        raise LookupError(f"no place {after}")
    return place


def _newest_first(
    db: apsw.Connection, ended: bool, place: tuple[int, int]
) -> Generator[Any, None, None]:
    cursors = [db.cursor() for _ in (Stage if ended else (Stage.OPEN,))]
    try:
        found = [
            cursor.execute(_PAGE, (stage, *place, _BUDGET)) for stage, cursor in enumerate(cursors)
        ]
        yield from merge(*found, key=lambda row: (row[0], row[1]), reverse=True)
    finally:
        for cursor in cursors:
            cursor.close()  # else its read transaction would outlive the call


def _one_by_one(db: apsw.Connection, places: Iterable[Place]) -> Generator[Any, None, None]:
    for _, key in places:
        yield from rows(db, _STANDING, (key,))


def _entry(
    names: Names, scene: Scene, wanted: Wanted, key: int, row: Sequence[Any]
) -> QueueEntry | None:
    seq, size, arrived, state, packed = row
    envelope = _decode_envelope(packed)
    if not wanted.sender(envelope.sender):
        return None
    index = key >> NUMBER_BITS
    owner = scene.owner(index, seq)
    queue_id = names.queue_id(key)
    everyone = wanted.everyone(queue_id, envelope.sender)
    every = scene.recipients(envelope, _decode_state(state), scene.acts(index, owner), {})
    meant = tuple([one for one in every if wanted.recipient(one, everyone)])
    if not meant:
        return None
    return QueueEntry(
        queue_id=queue_id,
        sender=envelope.sender,
        size=size,
        age=max(0, scene.now - arrived),
        received_at=envelope.received_at,
        owner=scene.name_of(owner),
        recipients=meant,
        others=len(every) - len(meant),
    )


def _story(
    db: apsw.Connection, names: Names, scene: Scene, key: int, row: Sequence[Any]
) -> MessageStory:
    seq, size, arrived, state, packed, trace = row
    envelope, queue_id, index = _decode_envelope(packed), names.queue_id(key), key >> NUMBER_BITS
    owner = scene.owner(index, seq)
    steps, last = story(db, trace, queue_id, scene)
    return MessageStory(
        queue_id=queue_id,
        sender=envelope.sender,
        size=size,
        age=max(0, scene.now - arrived),
        received_at=envelope.received_at,
        owner=scene.name_of(owner),
        client=envelope.client,
        helo=envelope.helo,
        envid=envelope.envid,
        recipients=scene.recipients(envelope, _decode_state(state), scene.acts(index, owner), last),
        steps=steps,
    )


def _filed(
    names: Names, mailbox: str, key: int, size: int, state: bytes, packed: bytes
) -> MailboxEntry:
    envelope, recipients = _decode_envelope(packed), _decode_state(state).recipients
    return MailboxEntry(
        queue_id=names.queue_id(key),
        sender=envelope.sender,
        recipients=tuple(
            [
                recipient.log.address or envelope.recipients[index].address
                for index, recipient in enumerate(recipients)
                if any(trial.mailbox == mailbox for trial in recipient.trials)
            ]
        ),
        size=size,
        received_at=envelope.received_at,
    )
