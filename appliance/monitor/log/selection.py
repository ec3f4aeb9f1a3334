"""A filter as SQL: which index leads to the events, and what of them fits. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.monitor.log.schema import NUMBER_BITS
from appliance.monitor.log.told import Wanted
from appliance.monitor.severity import RANKS, Severity

Value = str | int


@dataclass(frozen=True)
class Selection:
    """Events that lie in one of the `ranges` of an index, and fit.

    A range is a condition that leaves its index in order of time.
    """

    ranges: tuple[tuple[str, tuple[Value, ...]], ...]
    fits: str
    values: tuple[Value, ...]

    def beyond(self, forward: bool) -> str:
        """Ids and times of events behind a place, nearest first; bounded by LIMIT and OFFSET."""
        return self._ordered("id, at", "", forward, bounded=True)

    def start(self, place: tuple[int, int], size: int) -> Sequence[Value]:
        """The values of `beyond`, with its OFFSET."""
        values = list[Value]()
        for _, equal in self.ranges:
            values += [*equal, *place]
            if len(self.ranges) > 1:
                values.append(size)
        return [*values, size - 1]

    def between(self, columns: str, forward: bool) -> str:
        """Events behind one place, as far as another one, that fit; nearest first."""
        return self._ordered(columns, self._other(forward) + f" AND {self.fits}", forward)

    def bounds(self, near: tuple[int, int], far: tuple[int, int], limit: int) -> Sequence[Value]:
        """The values of `between`, with its LIMIT."""
        values = list[Value]()
        for _, equal in self.ranges:
            values += [*equal, *near, *far, *self.values]
        return [*values, limit]

    def _other(self, forward: bool) -> str:
        return " AND (at, id) <= (?, ?)" if forward else " AND (at, id) >= (?, ?)"

    def _ordered(self, columns: str, more: str, forward: bool, *, bounded: bool = False) -> str:
        compare, direction = (">", "ASC") if forward else ("<", "DESC")
        order = f"ORDER BY at {direction}, id {direction}"
        parts = [
            f"SELECT {columns} FROM event {where} AND (at, id) {compare} (?, ?){more}"
            for where, _ in self.ranges
        ]
        if len(parts) == 1:
            return f"{parts[0]} {order}"
        limit = " LIMIT ?" if bounded else ""
        each = [f"SELECT * FROM ({part} {order}{limit})" for part in parts]
        return f"SELECT * FROM ({' UNION ALL '.join(each)}) {order}"


def selection(wanted: Wanted, nodes: Mapping[int, str]) -> Selection:
    """The filter `wanted`; `nodes` are the names of the nodes by source."""
    fits, values = ["1"], list[Value]()
    if wanted.events:
        fits.append(f"event IN ({', '.join('?' * len(wanted.events))})")
        values += wanted.events
    if wanted.severity is not Severity.INFO:
        fits.append(f"severity >= {RANKS.index(wanted.severity)}")
    if wanted.node:
        ranges = [
            f"id BETWEEN {number << NUMBER_BITS} AND {(number + 1 << NUMBER_BITS) - 1}"
            for number, name in nodes.items()
            if name == wanted.node
        ]
        fits.append(f"({' OR '.join(ranges) or 'id < 0'})")
    for column, value in (("process", wanted.process), ("queue_id", wanted.queue_id)):
        if value:
            fits.append(f"{column} = ?")
            values.append(value)
    for compare, moment in ((">=", wanted.since), ("<", wanted.until)):
        if moment is not None:
            fits.append(f"at {compare} ?")
            values.append(moment)
    if wanted.text:
        fits.append(r"(fields LIKE ? ESCAPE '\' OR event LIKE ? ESCAPE '\')")
        values += [_containing(json_text(wanted.text)), _containing(wanted.text)]
    return Selection(_ranges(wanted), " AND ".join(fits), tuple(values))


def _ranges(wanted: Wanted) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    if wanted.queue_id:
        where = "INDEXED BY event_queue_id WHERE queue_id = ? AND queue_id <> ''"
        return ((where, (wanted.queue_id,)),)
    if wanted.events:
        where = "INDEXED BY event_name WHERE event = ?"
        return tuple((where, (event,)) for event in dict.fromkeys(wanted.events))
    if wanted.severity is not Severity.INFO:
        ranks = range(RANKS.index(wanted.severity), len(RANKS))
        where = "INDEXED BY event_severity WHERE severity = {} AND severity > 0"
        return tuple((where.format(rank), ()) for rank in ranks)
    return (("INDEXED BY event_at WHERE 1", ()),)


def json_text(text: str) -> str:
    """Text as it stands within JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _containing(text: str) -> str:
    for character in "\\%_":
        text = text.replace(character, f"\\{character}")
    return f"%{text}%"
