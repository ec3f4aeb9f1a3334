"""Follows the spool into the index: one thread, in turns short enough to keep new mail waiting
for no more than moments.

New mail comes first: merges, rebuilding and the census are done in slices in between. The mark is
committed with the messages, so after a crash what was not committed is read from the journal once
more. While mail needs the machine all of it rests (`pace`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum

from appliance.mail.views import Unavailable
from appliance.search.backlog import Backlog, Reached
from appliance.search.catalogue import Document, Mark
from appliance.search.census import Census, compare
from appliance.search.entry import entry, state_of
from appliance.search.follow import Follower, Gap
from appliance.search.index import Index
from appliance.search.pace import Pace
from appliance.search.pool import MANY_WORDS, Pool
from appliance.search.source import Source
from appliance.search.text import MESSAGE_LIMIT, extract
from appliance.search.upkeep import due, merge, rebuild

_SLICE = 50
"""Messages of a turn, and milliseconds that a slice of other work takes."""
_SMALL, _LARGE = 2_500, 5_000
"""Messages in a commit at most; LARGE when many wait."""
_PATIENCE = 1_000
"""Milliseconds that a message waits for others before it is committed."""
_PATIENCE_BEHIND = 5_000
"""The same while others wait behind it: fewer and larger commits catch up sooner."""
_NOTED = 1_000
"""Changed messages that are noted in one transaction."""
_SEEK = 1_000
"""Milliseconds from one look for work that can wait to the next, if there was none."""
_NOTE_STATES, _NOTE_MARK = 1_000, 10_000
"""Milliseconds from one note of states, or of the mark alone, to the next."""

_REBUILD_AGAIN = 600_000
"""Milliseconds until a partition that was rebuilt is rebuilt once more."""

Work = Iterator[bool | None]
"""Work in slices; it yields True when it can only wait for new mail to be indexed."""


class Activity(StrEnum):
    """What the indexer does."""

    OPENING = "opening"
    COUNTING = "comparing with the spool"
    INDEXING = "indexing"
    REBUILDING = "rebuilding"
    MERGING = "merging"
    IDLE = "idle"
    RESTING = "resting: mail is busy"
    SHORT_OF_DISK = "stopped: the disk is short"
    SPOOL_AWAY = "waiting for the spool"


@dataclass(frozen=True)
class Progress:
    """How far the indexer is: `waiting` messages known of that cannot be found yet; for `lag`
    milliseconds not everything was found; `total` is what the last census counted."""

    activity: Activity
    waiting: int
    lag: int
    complete: bool
    total: int


class Indexer:
    """Feeds `index` from `source`. `clock` is monotonic, in milliseconds; `spare`: the disk has
    room for an index."""

    def __init__(
        self,
        index: Index,
        source: Source,
        clock: Callable[[], int],
        spare: Callable[[], bool],
        pace: Pace,
    ) -> None:
        self._index = index
        self._source = source
        self._clock = clock
        self._spare = spare
        self._pace = pace
        self._backlog = Backlog()
        self._follower = Follower(source, self._backlog, clock)
        self._pool = Pool()
        self._documents = list[Document]()
        self._pooled = set[str]()
        self._begun = 0
        """When the first message came into the pool."""
        self._reached: Reached | None = None
        self._fresh = clock()
        """The latest moment up to which all is found."""
        self._noted = self._sought = -_SEEK
        self._rebuilt = dict[int, int]()
        self._work: Work | None = None
        self._working = Activity.IDLE
        self._activity = Activity.OPENING
        self._total = 0
        self._anew = False

    @property
    def progress(self) -> Progress:
        """How far it is; for any thread."""
        waiting = len(self._backlog) + len(self._pool)
        return Progress(
            activity=self._activity,
            waiting=waiting,
            lag=self._clock() - self._fresh if waiting or not self._follower.head else 0,
            complete=self._index.mark.complete and not self._index.damaged and not self._anew,
            total=self._total,
        )

    def reindex(self) -> None:
        """Throw the index away and make it anew, with the next turn; for any thread."""
        self._anew = True

    def turn(self) -> bool:
        """Do a little; False if there is nothing to do for the moment.

        Raises OSError and apsw.Error of the index's own files.
        """
        if self._anew:
            self._begin_anew()
        if not self._spare():
            self._activity = Activity.SHORT_OF_DISK
            return False
        try:
            return self._turn()
        except Unavailable:
            self._activity = Activity.SPOOL_AWAY
            self._source.close()
            self._forget()
            return False

    def finish(self) -> None:
        """Commit what is in hand, before a stop in order."""
        if self._pool:
            self._commit()

    def _begin_anew(self) -> None:
        self._anew = False
        self._index.wipe()
        self._forget()
        self._drop_pool()

    def _forget(self) -> None:
        """Whatever was read of the spool is read once more, from where the index ends."""
        self._backlog.clear()
        self._follower.forget()
        self._work = self._reached = None

    def _turn(self) -> bool:
        if self._follower.mark is None:
            self._start()
        read = self._read_on()
        if self._pace.resting():
            self._activity = Activity.RESTING
            return False
        busy = self._take_some() or read
        if self._pool and self._is_due():
            self._commit()
            busy = True
        busy = self._note() or busy
        if busy:
            self._activity = Activity.INDEXING
        return self._slice() or busy

    def _start(self) -> None:
        """Take up where the index ends; what the journal no longer tells is counted."""
        mark, spool = self._index.mark, self._source.identity()
        if mark.spool and mark.spool != spool:
            self._index.wipe()
            mark = self._index.mark
        if not mark.spool:
            head = self._source.head()
            mark = Mark(spool, head.lsn, dict(head.tips))
        self._follower.start(mark)
        # Even if nothing is missing: a record may say otherwise since an operator put an older
        # copy of the index back.
        self._begin(Activity.COUNTING, self._counted())

    # New mail.

    def _read_on(self) -> bool:
        """Read the journal on; true if there may be more."""
        if not self._index.mark.spool:
            return False  # in an empty index the census comes first: order is by arrival
        try:
            more = self._follower.read()
        except Gap:
            mark = self._index.mark
            self._index.mark = Mark(mark.spool, mark.lsn, mark.tips)
            self._follower.skip()
            self._begin(Activity.COUNTING, self._counted())
            return True
        self._settle()
        return more

    def _settle(self) -> None:
        """See how far what is in the index reaches."""
        if not self._pool:
            self._reach(self._backlog.reached())
            if self._reached is not None and self._reached.at is not None:
                self._fresh = self._reached.at

    def _reach(self, reached: Reached | None) -> None:
        if reached is not None:
            self._reached = reached

    def _take_some(self) -> bool:
        """Put some of what waits into the pool."""
        room = min(_SLICE, self._limit() - len(self._pool))
        queue_ids = self._backlog.take(room) if not self._is_full() else []
        known = self._index.catalogue.known(queue_ids) | self._pooled if queue_ids else set()
        new = [one for one in dict.fromkeys(queue_ids) if one not in known]
        if new and not self._pool:
            self._begun = self._clock()
        for mail, content in self._source.letters(new, MESSAGE_LIMIT):
            document, fields = entry(mail, extract(content))
            self._pool.add(mail.queue_id, fields)
            self._documents.append(document)
            self._pooled.add(mail.queue_id)
            self._pace.pause()
        if queue_ids:
            self._settle()
        return bool(queue_ids)

    def _fetch(self, queue_id: str) -> tuple[Document, dict[str, list[str]]] | None:
        """A message as it is indexed; None if it is no longer there."""
        for mail, content in self._source.letters((queue_id,), MESSAGE_LIMIT):
            return entry(mail, extract(content))
        return None

    def _limit(self) -> int:
        many = len(self._backlog) > _LARGE
        return min(_LARGE if many else _SMALL, self._index.room_left())

    def _is_full(self) -> bool:
        return len(self._pool) >= self._limit() or self._pool.words >= MANY_WORDS

    def _is_due(self) -> bool:
        patience = _PATIENCE_BEHIND if self._backlog else _PATIENCE
        return self._is_full() or self._clock() - self._begun >= patience

    def _commit(self) -> None:
        index, complete = self._index, self._index.mark.complete
        self._reach(self._backlog.reached())
        mark = self._reached.mark if self._reached is not None else index.mark
        index.commit(self._pool, self._documents, Mark(mark.spool, mark.lsn, mark.tips, complete))
        self._drop_pool()
        if self._reached is not None and self._reached.at is not None:
            self._fresh = self._reached.at

    def _drop_pool(self) -> None:
        self._pool, self._documents, self._pooled = Pool(), [], set()

    def _note(self) -> bool:
        """Note where messages stand now and what is gone, once all that were read are found.

        What a crash keeps from being noted, the next census finds.
        """
        index, follower, reached = self._index, self._follower, self._reached
        if self._backlog or self._pool or reached is None or not index.mark.spool:
            return False
        changed = follower.changed
        mark = Mark(reached.mark.spool, reached.mark.lsn, reached.mark.tips, index.mark.complete)
        patience = _NOTE_STATES if changed else _NOTE_MARK
        if self._clock() - self._noted < patience or (not changed and mark == index.mark):
            return False
        touched, gone = follower.take_changes(_NOTED)
        statuses = ((queue_id, self._source.status(queue_id)) for queue_id in touched)
        states = [(one, state_of(status)) for one, status in statuses if status is not None]
        index.note(mark, states, gone)
        self._noted = self._clock() - (_NOTE_STATES if follower.changed else 0)
        return changed

    # Work that can wait.

    def _begin(self, activity: Activity, work: Work) -> None:
        self._working, self._work = activity, work

    def _slice(self) -> bool:
        """Go on with the work in hand, or find some."""
        if self._work is None:
            self._find_work()
        if self._work is None:
            if not self._pool and not self._backlog:
                self._activity = Activity.IDLE
            return False
        self._activity = self._working
        end = self._clock() + _SLICE
        for waits in self._work:
            if waits:
                return False
            if self._clock() >= end:
                return True
            self._pace.pause()
        self._work = None
        return True

    def _find_work(self) -> None:
        if self._clock() - self._sought < _SEEK:
            return
        damaged = [one for one in self._index.damaged if self._may_rebuild(one)]
        if damaged:
            self._rebuilt[damaged[0]] = self._clock()
            self._begin(Activity.REBUILDING, rebuild(self._index, damaged[0], self._fetch))
        elif (task := due(self._index, self._kept_up())) is not None:
            self._begin(Activity.MERGING, merge(self._index, task))
        else:
            self._sought = self._clock()

    def _kept_up(self) -> bool:
        return self._follower.head and not self._backlog

    def _may_rebuild(self, partition: int) -> bool:
        """Not again and again: what breaks at once is not helped by that."""
        last = self._rebuilt.get(partition)
        return last is None or self._clock() - last >= _REBUILD_AGAIN

    def _counted(self) -> Generator[bool | None, None, None]:
        """Take the census and make up for what it finds."""
        self._total = self._source.count()
        census: Census = yield from compare(self._source, self._index.catalogue)
        for some in census.missing.portions(_LARGE):
            while len(self._backlog) > _LARGE:
                yield True
            self._backlog.expect(some)
        while self._backlog or self._pool:
            yield True
        index, read = self._index, self._follower.mark
        assert read is not None
        mark = index.mark if index.mark.spool else read
        index.note(Mark(mark.spool, mark.lsn, mark.tips, True), census.states, census.gone)
