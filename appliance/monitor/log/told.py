"""What is asked of the events, and what is answered. Pure values; docs/json.md has them."""

from __future__ import annotations

import msgspec

from appliance.monitor.severity import Severity


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event of one of the nodes; `at` is RFC 3339 in UTC by that node's own clock."""

    at: str
    node: str
    process: str
    severity: Severity
    event: str
    queue_id: str
    fields: dict[str, object]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are meant: those that fit everything given.

    `severity` is the least. `since` (included) and `until` (not) are milliseconds since 1970 by
    the clock of the node. `text` stands in the event's name or its fields, in whatever case.
    """

    events: tuple[str, ...] = ()
    node: str = ""
    process: str = ""
    queue_id: str = ""
    severity: Severity = Severity.INFO
    since: int | None = None
    until: int | None = None
    text: str = ""


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some events, newest first.

    `older` is the place to go on from, "" if nothing older fits; `newer` the one behind which
    newer events will be, "" if there is no event yet that fits. `searched_to`: the time was up;
    all that fits is there as far as this moment (RFC 3339), and `older` (or `newer`) goes on.
    `end` is where to follow from, if what comes next is wanted.
    """

    events: tuple[Told, ...]
    older: str = ""
    newer: str = ""
    searched_to: str = ""
    end: str = ""


class EventNews(msgspec.Struct, frozen=True, kw_only=True):
    """What came since a place, of both nodes as it came, oldest first; `end` goes on."""

    events: tuple[Told, ...]
    end: str
