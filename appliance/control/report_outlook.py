"""What will run out, and when, as a report tells it."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.control.report_seen import Seen
from appliance.mail.tls_views import TlsView
from appliance.report.content import Outlook, State
from appliance.report.trend import Trend, trend
from appliance.report.words import size

_SOON, _LATER = 7.0, 30.0
"""Days: less is critical, or needs attention."""
_FAR = 3650.0
_CERTIFICATE = (3.0, 14.0)
_EARLY = "too early to tell"


def outlook(seen: Seen, reserve: int) -> Iterator[Outlook]:
    """For one node; with less than `reserve` bytes free it takes no mail."""
    if seen.status is None:
        return
    yield _disk(seen, reserve)
    if seen.search is not None and seen.search.size:
        yield _index(seen)
    if seen.status.tls is not None:
        yield from _certificates(seen.name, seen.status.tls)


def curve(seen: Seen, metric: str) -> tuple[float | None, ...]:
    """The mean of a figure over time; empty if it is not known."""
    for one in seen.history.curves if seen.history else ():
        if one.metric == metric:
            return one.mean
    return ()


def _trend(seen: Seen, metric: str) -> Trend | None:
    return trend(curve(seen, metric), seen.history.step) if seen.history else None


def _disk(seen: Seen, reserve: int) -> Outlook:
    assert seen.status is not None
    disk, line = seen.status.disk, _trend(seen, "disk.free")
    room = disk.free - reserve
    days = None
    if line is not None and line.daily < 0:
        days = max(0.0, room / -line.daily)
    state = _state(days, _SOON, _LATER)
    if room <= 0:
        days, state = 0.0, State.CRITICAL
    return Outlook(
        node=seen.name,
        what="disk of the spool, to its reserve",
        now=f"{size(disk.free)} free of {size(disk.total)}",
        trend="" if line is None else _daily(line),
        days=days if days is None or days < _FAR else None,
        text=_EARLY if line is None and room > 0 else _when(days),
        state=state,
    )


def _index(seen: Seen) -> Outlook:
    assert seen.search is not None
    line = _trend(seen, "search.size")
    return Outlook(
        node=seen.name,
        what="search index",
        now=f"{size(seen.search.size)}, {seen.search.documents:,} messages",
        trend="" if line is None else _daily(line),
        days=None,
        text="with the disk; stops growing before mail does",
        state=State.ATTENTION if seen.search.damaged else State.GOOD,
    )


def _certificates(node: str, tls: TlsView) -> Iterator[Outlook]:
    found = (
        ("certificate for TLS", tls.certificate, not tls.imported),
        ("the site's authority", tls.authority, False),
    )
    for what, certificate, renewed in found:
        if certificate is None:
            continue
        days = certificate.days_left
        yield Outlook(
            node=node,
            what=what,
            now=f"until {certificate.ends[:10]}",
            trend="renewed by itself" if renewed else "",
            days=float(days),
            text=_when(float(days)),
            state=_state(float(days), *_CERTIFICATE),
        )


def _state(days: float | None, soon: float, later: float) -> State:
    if days is None or days >= later:
        return State.GOOD
    return State.CRITICAL if days < soon else State.ATTENTION


def _daily(line: Trend) -> str:
    sign = "+" if line.daily > 0 else ""
    return f"{sign}{size(line.daily)} a day" if abs(line.daily) >= 1 else "steady"


def _when(days: float | None) -> str:
    if days is None or days >= _FAR:
        return "not in sight"
    if days < 1:
        return "today"
    if days < 60:
        return f"in {days:.0f} days"
    return f"in about {days / 30.4:.0f} months" if days < 730 else f"in {days / 365:.0f} years"
