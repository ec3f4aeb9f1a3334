"""A node's log files, and the database that its events are kept in."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec

from appliance.monitor.events import Event, EventLog, LogFile
from appliance.monitor.log.collector import Collector, Surroundings
from appliance.monitor.log.entry import Entry, made
from appliance.monitor.log.reader import Reader
from appliance.monitor.log.retention import Bounds
from appliance.monitor.log.store import Store
from appliance.monitor.log.told import Told, Wanted

START = 1_795_000_000_000
BOUNDS = Bounds(512 << 20, 30 * 86_400_000)


class Clock:
    """A clock that somebody sets."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Process:
    """One process of a node, and its log file."""

    def __init__(self, folder: Path, name: str, clock: Clock, limit: int = 4000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.log"
        self._fd = os.open(os.devnull, os.O_WRONLY)
        self._file = LogFile(self.path, self._fd, limit=limit, keep=3)
        self.emit = EventLog(self._file.write, name, clock)

    def write(self, raw: bytes) -> None:
        """What a dying interpreter or a full disk leaves in the file."""
        os.write(self._fd, raw)

    def close(self) -> None:
        os.close(self._fd)


class Node:
    """What keeps the events of one node; `emitted` is what that says itself."""

    def __init__(self, folder: Path, name: str = "a", bounds: Bounds = BOUNDS) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.path = folder / "events.db"
        self.clock, self.running = Clock(), Clock(0)
        self.short = False
        self.emitted: list[tuple[str, dict[str, object]]] = []
        self._names = itertools.count(1)
        self._name = name
        self._bounds = bounds
        self.log.mkdir(parents=True, exist_ok=True)
        self.reader = Reader(self.path, Clock(0), self._suspect)
        self.collector = self._collector()

    def restart(self) -> None:
        """As after kill -9: nothing but the files is left."""
        self.store.close()
        self.collector = self._collector()

    def catch_up(self) -> Future[None]:
        """As the collector's, without its thread."""
        done = self.collector.catch_up()
        self.collect()
        return done

    def collect(self) -> None:
        """Take in all there is."""
        while self.collector.turn():
            pass

    def events(self, wanted: Wanted | None = None) -> Sequence[Told]:
        """What is kept, oldest first."""
        return self.reader.page(wanted or Wanted(), 1_000_000).events[::-1]

    def ids(self) -> Sequence[str]:
        """The queue ids of what is kept, oldest first."""
        return [one.queue_id for one in self.events()]

    def close(self) -> None:
        self.reader.close()
        self.store.close()

    def _collector(self) -> Collector:
        self.store = Store(self.path, self._name, lambda: f"{self._name}{next(self._names)}")
        around = Surroundings(self.running, self.clock, lambda: self.short)
        return Collector(self.store, self.log, self._bounds, around, self._emit, lambda: None)

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.emitted.append((event, values))

    def _suspect(self) -> None:
        self.collector.suspect()


def queue_id(number: int) -> str:
    return f"0123456789{number:04d}"


def entry(number: int, at: int, event: str = Event.SENT, fields: str = "{}") -> Entry:
    one = made(at, event, "mail", queue_id(number), fields)
    return msgspec.structs.replace(one, number=number)
