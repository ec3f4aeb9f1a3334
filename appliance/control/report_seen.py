"""What a report is made of: both nodes asked over the control API, whatever one of them lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from appliance.control.http import BadRequest, Forbidden
from appliance.control.schema import API, MailboxList, Status
from appliance.control.schema_alerts import AlertHistory, EndedAlert
from appliance.control.schema_history import HistoryView
from appliance.control.schema_jobs import Jobs, Runs
from appliance.decoding import from_json
from appliance.ipc.search import SearchView
from appliance.mail.reply import Refused
from appliance.mail.views import SiteView, Unavailable
from appliance.monitor.jobs import JobView, RunView
from appliance.monitor.log.told import EventPage, Told

T = TypeVar("T")
Ask = Callable[[str], Awaitable[bytes]]
"""The body of the answer to GET on a path; raises as the control API does."""
POINTS = 168
METRICS = (
    "mail.accepted",
    "mail.delivered",
    "mail.rejected",
    "mail.failed_logins",
    "pair.paired",
    "pair.exposed",
    "queue.queued",
    "queue.deferred",
    "queue.held",
    "queue.oldest",
    "hops.failed",
    "disk.free",
    "memory.free",
    "machine.cpu",
    "search.size",
)
_RUNS = 200
_EVENTS = 50
_SHORTEST = 5
_MINUTE = 60_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One node; None is what it did not tell. `problem`: why it tells nothing.

    `history` is about the last `minutes`. `events` are those of both nodes.
    """

    name: str
    minutes: int
    status: Status | None = None
    history: HistoryView | None = None
    jobs: tuple[JobView, ...] = ()
    runs: tuple[RunView, ...] = ()
    ended: tuple[EndedAlert, ...] = ()
    events: tuple[Told, ...] | None = None
    search: SearchView | None = None
    mailboxes: MailboxList | None = None
    site: SiteView | None = None
    problem: str = ""


async def see(ask: Ask, name: str, minutes: int, since: int) -> Seen:
    """Ask a node; whatever fails is None.

    Figures are of the last `minutes` or since there are any; events since the moment `since`.
    """
    try:
        status = from_json(await ask(f"{API}/status"), Status)
    except (Unavailable, Refused, LookupError, BadRequest, Forbidden) as error:
        return Seen(name=name, minutes=minutes, problem=str(error))
    jobs = await _maybe(ask, "/jobs", Jobs)
    runs = await _maybe(ask, f"/jobs/history?limit={_RUNS}", Runs)
    ended = await _maybe(ask, f"/alerts/history?limit={_RUNS}", AlertHistory)
    grave = urlencode({"severity": "warning", "since": since, "limit": _EVENTS})
    events = await _maybe(ask, f"/events?{grave}", EventPage)
    history, minutes = await _history(ask, minutes)
    return Seen(
        name=status.name,
        minutes=minutes,
        status=status,
        history=history,
        jobs=jobs.jobs if jobs else (),
        runs=runs.runs if runs else (),
        ended=ended.ended if ended else (),
        events=events.events if events else None,
        search=await _maybe(ask, "/search/status", SearchView),
        mailboxes=await _maybe(ask, "/mailboxes", MailboxList),
        site=await _maybe(ask, "/site", SiteView),
    )


async def _history(ask: Ask, minutes: int) -> tuple[HistoryView | None, int]:
    """A young node is asked about less, in finer parts: else its sums would be guesses."""
    while True:
        asked = [("metric", metric) for metric in METRICS]
        asked += [("range", f"{minutes}m"), ("points", str(POINTS))]
        found = await _maybe(ask, f"/history?{urlencode(asked)}", HistoryView)
        known = 0 if found is None else _known(found)
        if found is None or known * 2 > found.points or minutes <= _SHORTEST:
            return found, minutes
        minutes = max(_SHORTEST, -(-(known + 1) * found.step // _MINUTE))


def _known(history: HistoryView) -> int:
    """How many parts there are from the first of which anything is known."""
    first = [
        next((place for place, value in enumerate(one.mean) if value is not None), history.points)
        for one in history.curves
    ]
    return history.points - min(first, default=history.points)


async def _maybe(ask: Ask, path: str, wanted: type[T]) -> T | None:
    try:
        return from_json(await ask(API + path), wanted)
    except (Unavailable, Refused, LookupError, BadRequest, Forbidden, msgspec.DecodeError):
        return None
