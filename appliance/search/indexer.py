"""Follows the spool into the index: one thread, in turns short enough to keep new mail waiting
for no more than moments.

New mail comes first: merges, rebuilding and the census are done in slices in between. The mark is
committed with the messages, so after a crash what was not committed is read from the journal once
more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum

from appliance.mail.feed import Changes
from appliance.mail.views import Unavailable
from appliance.search.catalogue import Document, Mark
from appliance.search.census import Census, compare
from appliance.search.entry import entry, state_of
from appliance.search.index import Index
from appliance.search.pool import Pool
from appliance.search.source import Source
from appliance.search.text import MESSAGE_LIMIT, extract

_SEGMENTS = 500
_SLICE = 50
"""Messages of a turn, and milliseconds that a slice of other work takes."""
_SMALL, _LARGE = 2_500, 5_000
"""Messages in a commit at most; LARGE when many wait."""
_MANY_WORDS = 2_500_000
_PATIENCE = 1_000
"""Milliseconds that a message waits for others before it is committed."""
_PATIENCE_BEHIND = 3_000
"""The same while the journal has more: fewer and larger commits catch up sooner."""
_IDLE_AFTER = 5_000
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
    SHORT_OF_DISK = "stopped: the disk is short"
    SPOOL_AWAY = "waiting for the spool"


@dataclass(frozen=True)
class Progress:
    """How far the indexer is: `waiting` messages known of that cannot be found yet, the oldest
    of them for `lag` milliseconds; `total` is what the last census counted."""

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
    ) -> None:
        self._index = index
        self._source = source
        self._clock = clock
        self._spare = spare
        self._pending: deque[str] = deque()
        self._pool = Pool()
        self._documents = list[Document]()
        self._pooled = set[str]()
        self._touched: dict[str, None] = {}
        self._gone = list[str]()
        self._read: Mark | None = None
        """Where the journal was read to; None until it was read."""
        self._since: int | None = None
        """When the oldest message that cannot be found yet was first known of."""
        self._head = False
        """Whether the journal had no more than was read of it last."""
        self._looked = self._fresh = clock()
        """When the journal was read last, and the latest moment up to which all is found."""
        self._worked = 0
        self._noted = 0
        self._rebuilt = dict[int, int]()
        self._work: Work | None = None
        self._working = Activity.IDLE
        self._activity = Activity.OPENING
        self._total = 0
        self._anew = False

    @property
    def progress(self) -> Progress:
        """How far it is; for any thread."""
        waiting = len(self._pending) + len(self._pool)
        return Progress(
            activity=self._activity,
            waiting=waiting,
            lag=self._clock() - self._fresh if waiting or not self._head else 0,
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
            self._work = self._read = None
            return False

    def finish(self) -> None:
        """Commit what is in hand, before a stop in order."""
        if self._pool:
            self._commit()

    def _begin_anew(self) -> None:
        self._anew = False
        self._index.wipe()
        self._pending.clear()
        self._drop_pool()
        self._touched, self._gone = {}, []
        self._read = self._work = self._since = None

    def _turn(self) -> bool:
        if self._read is None:
            self._start()
        busy = self._take_some()
        if self._pool and self._is_due():
            self._commit()
            busy = True
        busy = self._note() or busy
        busy = self._read_on() or busy
        if busy:
            self._worked = self._clock()
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
        self._read = mark
        self._worked = self._clock()
        # Even if nothing is missing: a record may say otherwise since an operator put an older
        # copy of the index back.
        self._begin(Activity.COUNTING, self._counted())

    # New mail.

    def _read_on(self) -> bool:
        """Read the journal on, once what was accepted before is on its way."""
        mark = self._read
        assert mark is not None
        if self._pending or not self._index.mark.spool:
            return False  # in an empty index the census comes first: order is by arrival
        now = self._clock()
        changes = self._source.changes(mark.lsn, mark.tips, _SEGMENTS)
        self._looked, self._head = now, changes.head
        if changes.gap:
            self._index.mark = Mark(mark.spool, mark.lsn, mark.tips)
            head = self._source.head()
            self._read = Mark(mark.spool, head.lsn, dict(head.tips))
            self._begin(Activity.COUNTING, self._counted())
            return True
        if changes.lsn == mark.lsn:
            if not self._pool:
                self._fresh = now
            return False
        self._receive(changes)
        return True

    def _receive(self, changes: Changes) -> None:
        assert self._read is not None
        self._read = Mark(
            self._read.spool, changes.lsn, dict(changes.tips), self._index.mark.complete
        )
        self._expect(changes.accepted)
        self._touched |= dict.fromkeys(changes.touched)
        self._gone += changes.gone

    def _expect(self, queue_ids: tuple[str, ...] | list[str]) -> None:
        self._pending.extend(queue_ids)
        if queue_ids and self._since is None:
            self._since = self._clock()

    def _take_some(self) -> bool:
        """Put some of what waits into the pool."""
        took = False
        for _ in range(_SLICE):
            if not self._pending or self._is_full():
                break
            took = True
            self._take(self._pending.popleft())
        if took and not self._pending and not self._pool:
            self._since = None
        return took

    def _take(self, queue_id: str) -> None:
        if queue_id in self._pooled or self._index.catalogue.known(queue_id):
            return
        found = self.fetch(queue_id)
        if found is not None:
            self._pool.add(queue_id, found[1])
            self._documents.append(found[0])
            self._pooled.add(queue_id)

    def fetch(self, queue_id: str) -> tuple[Document, dict[str, list[str]]] | None:
        """A message as it is indexed; None if it is no longer there."""
        mail = self._source.mail(queue_id)
        if mail is None:
            return None
        try:
            content = self._source.content(queue_id, MESSAGE_LIMIT)
        except LookupError:
            content = b""  # its envelope is still worth finding
        return entry(mail, extract(content))

    def _is_full(self) -> bool:
        many = len(self._pending) > _LARGE
        limit = min(_LARGE if many else _SMALL, self._index.room_left())
        return len(self._pool) >= limit or self._pool.words >= _MANY_WORDS

    def _is_due(self) -> bool:
        waited = self._clock() - self._since if self._since is not None else 0
        patience = _PATIENCE if self._head else _PATIENCE_BEHIND
        return self._is_full() or (not self._pending and waited >= patience)

    def _commit(self) -> None:
        """Only when nothing waits is everything up to where the journal was read in hand."""
        index = self._index
        mark = self._read if self._read is not None and not self._pending else index.mark
        complete = index.mark.complete
        index.commit(self._pool, self._documents, Mark(mark.spool, mark.lsn, mark.tips, complete))
        self._drop_pool()
        if not self._pending:
            self._since = None
            if self._head:
                self._fresh = self._looked

    def _drop_pool(self) -> None:
        self._pool, self._documents, self._pooled = Pool(), [], set()

    def _note(self) -> bool:
        """Note where messages stand now and what is gone, once all that were read are found.

        What a crash keeps from being noted, the next census finds.
        """
        index, read = self._index, self._read
        assert read is not None
        if self._pending or self._pool or not index.mark.spool:
            return False
        changed = bool(self._touched or self._gone)
        mark = Mark(read.spool, read.lsn, read.tips, index.mark.complete)
        patience = _NOTE_STATES if changed else _NOTE_MARK
        if self._clock() - self._noted < patience or (not changed and mark == index.mark):
            return False
        states = []
        for queue_id in self._touched:
            status = self._source.status(queue_id)
            if status is not None:
                states.append((queue_id, state_of(status)))
        index.note(mark, states, self._gone)
        self._touched, self._gone = {}, []
        self._noted = self._clock()
        return changed

    # Work that can wait.

    def _begin(self, activity: Activity, work: Work) -> None:
        self._working, self._work = activity, work

    def _slice(self) -> bool:
        """Go on with the work in hand, or find some."""
        if self._work is None:
            self._find_work()
        if self._work is None:
            if not self._pool and not self._pending:
                self._activity = Activity.IDLE
            return False
        self._activity = self._working
        end = self._clock() + _SLICE
        for waits in self._work:
            if waits:
                return False
            if self._clock() >= end:
                return True
        self._work = None
        return True

    def _find_work(self) -> None:
        damaged = [one for one in self._index.damaged if self._may_rebuild(one)]
        idle = self._clock() - self._worked > _IDLE_AFTER
        if damaged:
            self._rebuilt[damaged[0]] = self._clock()
            self._begin(Activity.REBUILDING, self._index.rebuild(damaged[0], self.fetch))
        elif (task := self._index.due(idle)) is not None:
            self._begin(Activity.MERGING, self._index.merge(task))

    def _may_rebuild(self, partition: int) -> bool:
        """Not again and again: what breaks at once is not helped by that."""
        last = self._rebuilt.get(partition)
        return last is None or self._clock() - last >= _REBUILD_AGAIN

    def _counted(self) -> Generator[bool | None, None, None]:
        """Take the census and make up for what it finds."""
        self._total = self._source.count()
        census: Census = yield from compare(self._source, self._index.catalogue)
        while self._pending:
            yield True
        self._expect(census.missing)
        while self._pending or self._pool:
            yield True
        index, read = self._index, self._read
        assert read is not None
        mark = index.mark if index.mark.spool else read
        index.note(Mark(mark.spool, mark.lsn, mark.tips, True), census.states, census.gone)
