"""Answers questions about the events, newest first, in steps short enough for everybody else.

A question that no index answers looks through the events in slices, until the page is full or the
time is up; the page then says how far it looked. A place is an event's time and id, so pages stay
what they are while events come in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from appliance.mail.views import Unavailable
from appliance.monitor.log.entry import Entry, rfc3339
from appliance.monitor.log.schema import NUMBER_BITS, NUMBER_MASK, damaged, open_reader
from appliance.monitor.log.selection import Selection, selection
from appliance.monitor.log.store import Feed, Source
from appliance.monitor.log.told import EventNews, EventPage, Told, Wanted
from appliance.monitor.severity import RANKS

_COLUMNS = "id, at, event, process, queue_id, severity, fields"
_FIRST_SLICE, _LARGEST_SLICE = 1_000, 64_000
_PATIENCE = 300
"""Milliseconds that one page may take."""
_END = (1 << 63) - 1
_fields = msgspec.json.Decoder(dict[str, object]).decode


class Place(NamedTuple):
    """Where an event stands among all of both nodes."""

    at: int
    id: int

    def __str__(self) -> str:
        return f"{self.at}.{self.id}"


NEWEST, OLDEST = Place(_END, _END), Place(-_END, -_END)


class Stretch(NamedTuple):
    """What a page may look at: from behind one place up to another one."""

    begin: Place
    end: Place


class Reader:
    """The events at `path`, for one thread at a time; opened when first asked.

    `clock` is monotonic, in milliseconds. `suspect` is told that the database is damaged. Every
    method raises `mail.views.Unavailable`.
    """

    def __init__(self, path: Path, clock: Callable[[], int], suspect: Callable[[], None]) -> None:
        self._path = path
        self._clock = clock
        self._suspect = suspect
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Close the database; a later call opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def page(self, wanted: Wanted, limit: int, older: str = "", newer: str = "") -> EventPage:
        """At most `limit` events behind the place `older`, or before the place `newer`.

        Raises LookupError if that is no place.
        """
        forward = bool(newer)
        start = place(newer or older) if newer or older else NEWEST
        with self._reading() as db:
            sources = _sources(db)
            end = _ends(sources)
            chosen = selection(wanted, {number: one.node for number, one in sources.items()})
            found, reached = self._walk(db, chosen, _within(wanted, start, forward), limit, forward)
        nodes = {number: one.node for number, one in sources.items()}
        places = [Place(row[1], row[0]) for row in found]
        events = [told(row, nodes) for row in found]
        if forward:
            places.reverse()
            events.reverse()
        last, first = (places[-1], places[0]) if places else (start, start)
        stopped = reached if len(found) < limit else None
        full = len(found) == limit
        if forward:
            return EventPage(
                events=tuple(events),
                older=str(last),
                newer=str(stopped or (first if full else "")),
                searched_to=rfc3339(stopped.at) if stopped else "",
                end=end,
            )
        return EventPage(
            events=tuple(events),
            older=str(stopped or (last if full else "")),
            newer=str(first) if events or older else "",
            searched_to=rfc3339(stopped.at) if stopped else "",
            end=end,
        )

    def news(self, wanted: Wanted, end: str, limit: int) -> EventNews:
        """At most `limit` events of each source that came after the place `end`, oldest first."""
        with self._reading() as db:
            sources = _sources(db)
            nodes = {number: one.node for number, one in sources.items()}
            chosen = selection(wanted, nodes)
            seen = _seen(end)
            found = list[Sequence[Any]]()
            for number, one in sources.items():
                base, last = number << NUMBER_BITS, one.last
                rows = db.execute(
                    f"SELECT {_COLUMNS} FROM event WHERE id > ? AND id <= ? AND {chosen.fits}"
                    " ORDER BY id LIMIT ?",
                    (base + min(seen.get(one.store, 0), last), base + last, *chosen.values, limit),
                ).fetchall()
                found += rows
                if len(rows) == limit:
                    last = rows[-1][0] & NUMBER_MASK
                sources[number] = msgspec.structs.replace(one, last=last)
        found.sort(key=lambda row: row[1])
        return EventNews(events=tuple([told(row, nodes) for row in found]), end=_ends(sources))

    def feed(self, store: str, after: int, limit: int) -> Feed:
        """What this node has of a source, for the other node to keep."""
        with self._reading() as db:
            sources = _sources(db)
            numbers = {one.store: number for number, one in sources.items()}
            every = tuple(sources.values())
            if store not in numbers:
                return Feed(sources=every)
            number = numbers[store]
            base, last = number << NUMBER_BITS, sources[number].last
            rows = db.execute(
                "SELECT id, at, event, process, queue_id, severity, keep, fields FROM event"
                " WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
                (base + after, base + last, limit),
            ).fetchall()
        found = tuple([Entry(row[0] & NUMBER_MASK, *row[1:]) for row in rows])
        upto = found[-1].number if len(found) == limit else max(last, after)
        return Feed(sources=every, store=store, after=after, upto=upto, entries=found)

    def _walk(
        self, db: sqlite3.Connection, chosen: Selection, way: Stretch, limit: int, forward: bool
    ) -> tuple[list[Sequence[Any]], Place | None]:
        """Rows that fit, and where the time was up if it was."""
        found = list[Sequence[Any]]()
        at, until, size = way.begin, self._clock() + _PATIENCE, _FIRST_SLICE
        while True:
            edge = self._edge(db, chosen, at, size, forward)
            edge = min(edge, way.end) if forward else max(edge, way.end)
            found += db.execute(
                f"{chosen.between(_COLUMNS, forward)} LIMIT ?",
                chosen.bounds(at, edge, limit - len(found)),
            ).fetchall()
            if len(found) == limit or edge == way.end:
                return found, None
            at = edge
            if self._clock() > until:
                return found, at
            size = min(2 * size, _LARGEST_SLICE)

    def _edge(
        self, db: sqlite3.Connection, chosen: Selection, at: Place, size: int, forward: bool
    ) -> Place:
        """The place of the last event of a slice that begins behind `at`."""
        row = db.execute(
            f"{chosen.beyond(forward)} LIMIT 1 OFFSET ?", chosen.start(at, size)
        ).fetchone()
        if row is None:
            return NEWEST if forward else OLDEST
        return Place(row[1], row[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._opened()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            if damaged(error):
                self._suspect()
            raise Unavailable(f"the events cannot be read: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        try:
            inode = self._path.stat().st_ino
        except OSError as error:
            self.close()
            raise Unavailable(f"the events cannot be read: {error.strerror}") from error
        if self._db is None or inode != self._inode:
            self.close()
            self._db, self._inode = open_reader(self._path), inode
        return self._db


def _within(wanted: Wanted, start: Place, forward: bool) -> Stretch:
    """The way from `start` on, as far as the times that are wanted reach."""
    low = OLDEST if wanted.since is None else Place(wanted.since, -_END)
    high = NEWEST if wanted.until is None else Place(wanted.until, -_END)
    if forward:
        return Stretch(max(start, low), max(high, start, low))
    return Stretch(min(start, high), min(low, start, high))


def place(text: str) -> Place:
    """A place as a page named it; raises LookupError."""
    try:
        at, _, number = text.partition(".")
        found = Place(int(at), int(number))
    except ValueError:
        raise LookupError(f"no place {text}") from None
    if max(map(abs, found)) > _END:
        raise LookupError(f"no place {text}")
    return found


def told(row: Sequence[Any], nodes: Mapping[int, str]) -> Told:
    """A row as it is shown."""
    number, at, event, process, queue_id, severity, fields = row
    return Told(
        at=rfc3339(at),
        node=nodes[number >> NUMBER_BITS],
        process=process,
        severity=RANKS[severity],
        event=event,
        queue_id=queue_id,
        fields=_fields(fields),
    )


def _sources(db: sqlite3.Connection) -> dict[int, Source]:
    rows = db.execute("SELECT id, store, node, last, own FROM source ORDER BY id")
    return {
        number: Source(store=store, node=node, last=last, own=bool(own))
        for number, store, node, last, own in rows
    }


def _ends(sources: Mapping[int, Source]) -> str:
    return ".".join(f"{one.store}-{one.last}" for one in sources.values())


def _seen(end: str) -> dict[str, int]:
    """The last number of each source, as `_ends` wrote it; raises LookupError."""
    pairs = [one.partition("-") for one in end.split(".")] if end else []
    if not all(last.isascii() and last.isdecimal() and len(last) < 14 for _, _, last in pairs):
        raise LookupError(f"no place {end}")
    return {store: int(last) for store, _, last in pairs}
