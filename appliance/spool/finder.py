"""Finds the few messages of a long queue that a filter means, without looking at all of them.

Nothing of it is on the way of mail, and none of it on a disk: it is made in memory, in a thread of
low priority, when an operator begins to look at a long queue, follows the journal while somebody
asks, and is forgotten after a quarter of an hour. What it gives are candidates: whoever asked looks
at each of them. It may give too many, never too few.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import msgspec

from appliance.mail.envelope import Envelope
from appliance.mail.views import QueueFilter, RecipientStatus, Unavailable
from appliance.replica.message import MessageState
from appliance.spool.feed import Feed
from appliance.spool.haystack import Haystack, recipient_needle, sender_needle, text_needle
from appliance.spool.names import Names
from appliance.spool.places import Place, Places
from appliance.spool.schema import Stage, open_reader, rows

MANY = 8_000
"""Messages from which on a queue is long."""
_MOST = 2_000_000
"""Messages that are kept in memory at most; in a longer queue filters look at every message."""
_FEW = 12_000
"""Candidates of a text: where there are more, a look at every message finds some soon."""
_SORTED = 50_000
"""Candidates that are put in order at once."""
_TURN = 1_000
_SEGMENTS = 100
_BEHIND = 50
"""Turns of the journal after which making it anew is quicker than following."""
_FORGET_AFTER = 900_000
_AGAIN = 60_000
_NICE = 15
_ALL = (
    "SELECT since, key, state, envelope FROM message WHERE stage=? AND (since, key) > (?, ?)"
    " ORDER BY since, key LIMIT ?"
)
_ONE = "SELECT since, key, state, envelope FROM message WHERE key=? AND stage=?"
_decode_state = msgspec.msgpack.Decoder(MessageState).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode


@dataclass
class _Known:
    """What is in memory, and up to where it has followed the journal."""

    lsn: int
    tips: dict[int, int]
    text: Haystack = field(default_factory=Haystack)
    places: Places = field(default_factory=Places)
    held: set[Place] = field(default_factory=set)
    """Messages that are on hold, or were."""
    redirected: dict[int, set[str]] = field(default_factory=dict)
    built: int = 0

    def add(self, since: int, key: int, packed: bytes, envelope: bytes) -> None:
        """Add a message that was accepted."""
        told = _decode_envelope(envelope)
        self.places.add(since, key)
        self.text.add(since, key, told.sender, [one.address for one in told.recipients])
        self.touch(since, key, packed)

    def touch(self, since: int, key: int, packed: bytes) -> None:
        """Note what an operator may have done to it."""
        for one in _decode_state(packed).recipients:
            if one.log.held:
                self.held.add((since, key))
            if (address := one.log.address) is not None:
                known = self.redirected.setdefault(key, set())
                if address not in known:
                    known.add(address)
                    self.text.add(since, key, "", (address,))


class Finder:
    """For the spool in a folder; for one thread at a time. `clock` is monotonic milliseconds."""

    def __init__(self, spool: Path, clock: Callable[[], int]) -> None:
        self._path = spool / "spool.db"
        self._clock = clock
        self._feed = Feed(spool)
        self._known: _Known | None = None
        self._made: _Known | None = None
        self._maker: threading.Thread | None = None
        self._stop = threading.Event()
        self._used = self._not_before = 0

    def close(self) -> None:
        """Forget everything."""
        self._stop.set()
        if self._maker is not None:
            self._maker.join()
            self._maker = None
        self._known = self._made = None
        self._feed.close()

    def rest(self) -> None:
        """Forget everything if nobody has asked for long."""
        if self._known is not None and self._clock() - self._used > _FORGET_AFTER:
            self._known = None
            self._feed.close()

    def prepare(self) -> None:
        """Somebody looks at a long queue: follow it, or begin to read it."""
        self._used = self._clock()
        if self._maker is not None and not self._maker.is_alive():
            self._maker, self._known, self._made = None, self._made, None
            if self._known is None:
                self._not_before = self._clock() + _AGAIN
        if self._known is not None:
            try:
                follows = self._follow(self._known)
            except Unavailable:
                follows = False
            if follows:
                return
            self._known = None
        if self._maker is None and self._clock() >= self._not_before:
            self._stop.clear()
            self._maker = threading.Thread(target=self._make, name="queue-finder")
            self._maker.start()

    def places(self, names: Names, wanted: QueueFilter) -> Sequence[Place] | None:
        """Where what is meant can be, newest first; None if that is better told by looking."""
        known = self._known
        if known is None or wanted.ended:
            return None
        found = [one for one in _candidates(known, names, wanted) if one is not None]
        if not found:
            return None
        best: set[Place] = min(found, key=len)
        return sorted(best, reverse=True)

    def _follow(self, known: _Known) -> bool:
        """Take in what came; False if it has to be made anew."""
        for _ in range(_BEHIND):
            changes = self._feed.changes(known.lsn, known.tips, _SEGMENTS)
            if changes.gap:
                return False
            self._take(known, changes.accepted, changes.touched)
            known.lsn, known.tips = changes.lsn, dict(changes.tips)
            if changes.head:
                # What has ended is still in memory: at some time it is more than what waits.
                return len(known.text) <= 2 * known.built + 4 * MANY
        return False

    def _take(self, known: _Known, accepted: Iterable[str], touched: Iterable[str]) -> None:
        if not accepted and not touched:
            return
        try:
            with closing(open_reader(str(self._path))) as db:
                names = Names(db)
                for queue_id in accepted:
                    for row in _row(db, names, queue_id):
                        known.add(*row)
                for queue_id in touched:
                    for since, key, state, _ in _row(db, names, queue_id):
                        known.touch(since, key, state)
        except apsw.Error as error:
            raise Unavailable(f"the spool cannot be read: {error}") from error

    def _make(self) -> None:
        # Of this thread alone, on Linux. What it does can wait for everybody else.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            with closing(open_reader(str(self._path))) as db:
                self._made = self._read_all(db)
        except (apsw.Error, Unavailable):
            return  # whoever asks next begins again, and is told what is wrong with the spool

    def _read_all(self, db: apsw.Connection) -> _Known | None:
        with closing(Feed(self._path.parent)) as feed:
            head = feed.head()
        known = _Known(head.lsn, dict(head.tips))
        place = (-(1 << 63), 0)
        while not self._stop.is_set() and len(known.text) < _MOST:
            found = list(rows(db, _ALL, (Stage.OPEN, *place, _TURN)))
            for row in found:
                known.add(*row)
            if len(found) < _TURN:
                known.built = len(known.text)
                return known
            place = found[-1][:2]
        return None


def _row(
    db: apsw.Connection, names: Names, queue_id: str
) -> Iterator[tuple[int, int, bytes, bytes]]:
    return rows(db, _ONE, (names.key(queue_id), Stage.OPEN))


def _candidates(known: _Known, names: Names, wanted: QueueFilter) -> Iterator[set[Place] | None]:
    """What each condition leaves over; None where that is too much, or cannot be told."""
    if wanted.sender and (needle := sender_needle(wanted.sender)):
        yield known.text.find(needle, _FEW)
    if wanted.recipient and (needle := recipient_needle(wanted.recipient)):
        yield known.text.find(needle, _FEW)
    if wanted.text and (needle := text_needle(wanted.text)):
        named = known.places.find(names.keys(wanted.text.upper()), _SORTED)
        having = None if named is None else known.text.find(needle, _FEW)
        yield None if named is None or having is None else named | having
    if frozenset(wanted.status) == {RecipientStatus.HELD}:
        yield known.held if len(known.held) <= _SORTED else None
