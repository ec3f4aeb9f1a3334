"""The thread that keeps the events: takes in log files and the peer's events, lets old ones go.

It alone writes the database. What cannot be stored now stays where it came from: in the log file,
or with the peer.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from appliance.monitor.events import Emit, Event
from appliance.monitor.log.follow import Follower, Harvest
from appliance.monitor.log.retention import Bounds, Sweeper
from appliance.monitor.log.schema import damaged
from appliance.monitor.log.store import Feed, Store

T = TypeVar("T")
_POLL = 1.0
_REST = 10.0
"""Seconds between looks when there is nothing to do, and when nothing can be stored."""
_SWEEP = 10_000
"""Milliseconds from one look at room and ages to the next."""


@dataclass(frozen=True)
class Surroundings:
    """What the collector needs to know of the world; `short`: the disk needs room for mail."""

    monotonic: Callable[[], int]
    wall: Callable[[], int]
    short: Callable[[], bool]


class Collector:
    """Takes in; `stored` is called in its thread whenever something new is there."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        bounds: Bounds,
        around: Surroundings,
        emit: Emit,
        stored: Callable[[], None],
    ) -> None:
        """`folder` has the log files."""
        self._store = store
        self._folder = folder
        self._bounds = bounds
        self._around = around
        self._emit = emit
        self._stored = stored
        self._follower: Follower | None = None
        self._fed: queue.SimpleQueue[tuple[Feed, Future[None]]] = queue.SimpleQueue()
        self._asked: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._anew = threading.Event()
        self._suspected = threading.Event()
        self._wake = threading.Event()
        self._stopping = False
        self._failing = False
        self._shedding = False
        self._swept = around.monotonic()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, when what is at hand is stored."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._refuse_fed(sqlite3.OperationalError("the node is stopping"))
        for done in _drained(self._asked):
            done.set_result(None)
        self._store.close()

    def suspect(self) -> None:
        """Somebody who read the database found it damaged."""
        self._suspected.set()
        self._wake.set()

    def begin_anew(self) -> None:
        """The peer knows numbers that this node has not given: it must not give them again."""
        self._anew.set()
        self._wake.set()

    def take(self, feed: Feed) -> Future[None]:
        """Have what the peer gave stored; done when it is durable, or with sqlite3.Error."""
        done: Future[None] = Future()
        self._fed.put((feed, done))
        self._wake.set()
        return done

    def catch_up(self) -> Future[None]:
        """Done when what the logs have now is kept, or cannot be."""
        done: Future[None] = Future()
        self._asked.put(done)
        self._wake.set()
        return done

    def _run(self) -> None:
        while not self._stopping:
            more = self.turn()
            if not more and not self._stopping:
                self._wake.wait(_REST if self._failing else _POLL)
            self._wake.clear()

    def turn(self) -> bool:
        """Do what there is to do; True if there is more."""
        asked = list(_drained(self._asked))
        more = self._turn()
        for done in asked:
            # Whoever has more before it waits on.
            if more:
                self._asked.put(done)
            else:
                done.set_result(None)
        return more

    def _turn(self) -> bool:
        try:
            follower = self._ready()
            harvest = follower.read()
            more = self._take_in(follower, harvest)
            self._sweep(follower)
        except Exception as error:
            # Whatever it is: the API and the alarms of this process must go on.
            self._failed(error)
            return False
        self._failing = False
        return more

    def _ready(self) -> Follower:
        """The database open and sound as far as is known."""
        if self._suspected.is_set():
            self._put_aside()
            self._suspected.clear()
        if self._follower is None:
            if not self._store.open():
                self._emit(Event.EVENTS_DAMAGED, path=self._store.path)
            Sweeper(self._store, self._bounds).begin(self._around.wall())
            self._follower = Follower(self._folder, self._store.marks())
        if self._anew.is_set():
            self._anew.clear()
            self._store.begin_anew()
        return self._follower

    def _take_in(self, follower: Follower, harvest: Harvest) -> bool:
        feeds = list(_drained(self._fed))
        if not (feeds or harvest.marks or harvest.gone):
            return False
        try:
            with self._store.transaction():
                if harvest.marks or harvest.gone:
                    self._store.add(harvest)
                missing = [self._store.take(feed) for feed, _ in feeds]
        except sqlite3.Error as error:
            for _, done in feeds:
                done.set_exception(error)
            raise
        follower.stored(harvest)
        for _, done in feeds:
            done.set_result(None)
        for log in harvest.missed:
            self._emit(Event.EVENTS_MISSED, log=log, reason="rotated away before it was read")
        for (feed, _), lost in zip(feeds, missing, strict=True):
            if lost:
                node = next(one.node for one in feed.sources if one.store == feed.store)
                self._emit(Event.EVENTS_MISSED, of=node, events=lost, reason="no longer there")
        self._stored()
        return harvest.more

    def _sweep(self, follower: Follower) -> None:
        now, short = self._around.monotonic(), self._around.short()
        elapsed = now - self._swept
        if elapsed < _SWEEP and (self._shedding or not short):
            return
        self._swept = now
        sweeper = Sweeper(self._store, self._bounds)
        if short:
            # Rule 11: logs go before mail is refused.
            for path in follower.spent():
                path.unlink(missing_ok=True)
            gone = sweeper.shed(self._around.wall())
            if not self._shedding:
                self._emit(Event.EVENTS_SHED, events=gone, reason="the disk is short")
        else:
            sweeper.sweep(self._around.wall(), elapsed)
        self._shedding = short

    def _failed(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error) and damaged(error):
            self._suspected.set()
        self._refuse_fed(error)
        if not self._failing:
            self._failing = True
            self._emit(Event.EVENTS_NOT_KEPT, error=repr(error))

    def _put_aside(self) -> None:
        self._follower = None
        self._store.put_aside()
        self._emit(Event.EVENTS_DAMAGED, path=self._store.path)

    def _refuse_fed(self, error: Exception) -> None:
        for _, done in _drained(self._fed):
            done.set_exception(error)


def _drained(waiting: queue.SimpleQueue[T]) -> Iterator[T]:
    with suppress(queue.Empty):
        while True:
            yield waiting.get_nowait()
