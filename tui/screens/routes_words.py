"""Ways of mail in a few words: routes, pools, next hops, and what is paused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textual.content import Content

from appliance.control.schema import RouteList, RouteTest, RouteView
from appliance.ipc.delivery import DeliveryView, DestinationView, HopView
from appliance.mail.figures import counted, time_text
from appliance.monitor.snapshot import PauseView
from tui.text import EMPTY, LINE, foreign, join, lines, moment

_MX, _POOL = "mx:", "pool:"
_SIGNS = {
    "up": ("● up", "$success"),
    "resting": ("▲ resting", "$warning"),
    "out": ("✖ out", "$error"),
    "paused": ("■ paused", "$accent"),
}


@dataclass(frozen=True)
class Row:
    """A way of mail, or something that is paused without being one.

    `kind`: route, pool, next hop or domain. `pausable`: what a pause of it names, "" for nothing.
    `waiting`: messages in hand for it.
    """

    kind: str
    name: str
    pausable: str = ""
    pause: PauseView | None = None
    route: RouteView | None = None
    hop: HopView | None = None
    pool: DestinationView | None = None
    waiting: int = 0


def rows(found: RouteList, view: DeliveryView | None) -> Sequence[Row]:
    """Routes, then pools and next hops as far as delivery answers, then what else is paused."""
    pauses = {one.what: one for one in found.pauses}
    shown = [
        *_routes(found, pauses),
        *_pools(view),
        *_hops(found, view, pauses),
    ]
    told = {one.pausable for one in shown if one.pause is not None}
    others = [
        Row("next hop" if ":" in one.what else "domain", one.what, one.what, one)
        for one in found.pauses
        if one.what not in told
    ]
    return [*shown, *others]


def _routes(found: RouteList, pauses: dict[str, PauseView]) -> Iterator[Row]:
    for one in sorted(found.routes, key=lambda route: _exactness(route.key)):
        # Only whole domains and next hops can be paused.
        whole = "." in one.key and not one.key.startswith(".") and "@" not in one.key
        domain = one.key.lower() if whole else ""
        yield Row("route", one.key, domain, pauses.get(domain), route=one)


def _exactness(key: str) -> tuple[bool, bool, bool, str]:
    """The most exact key first, as it decides: addresses, domains, all below one, the rest."""
    return key == "*", key.startswith("."), "@" not in key, key


def _pools(view: DeliveryView | None) -> Iterator[Row]:
    for one in view.destinations if view else ():
        if len(one.members) > 1 or one.name.startswith(_POOL):
            yield Row("pool", one.name.removeprefix(_POOL), pool=one, waiting=one.waiting)


def _hops(
    found: RouteList, view: DeliveryView | None, pauses: dict[str, PauseView]
) -> Iterator[Row]:
    known = {one.name: one for one in view.hops} if view else {}
    waiting: dict[str, int] = {}
    for one in view.destinations if view else ():
        if len(one.members) == 1 and not one.name.startswith(_POOL):
            name = one.members[0].name
            waiting[name] = waiting.get(name, 0) + one.waiting
    routed = dict.fromkeys(hop for one in found.routes for hop in one.next_hops)
    for name in dict.fromkeys([*known, *routed]):
        # "mx:example.org" stands for the hosts of a domain, maybe with its level of TLS behind.
        what = name.removeprefix(_MX).partition(" ")[0] if name.startswith(_MX) else name
        yield Row(
            "next hop",
            name,
            what,
            pauses.get(what),
            hop=known.get(name),
            waiting=waiting.get(name, 0),
        )


def leads_to(row: Row) -> Content:
    """Where a way leads, or how much goes over it."""
    if row.route is not None:
        return _goal(row.route)
    if row.pool is not None:
        up = sum(one.state == "up" for one in row.pool.members)
        return Content(f"{up} of {counted(len(row.pool.members), 'next hop')} up")
    if row.hop is not None:
        hop = row.hop
        return Content(f"{hop.connections}/{hop.limit} open, {hop.transactions:,} done")
    return Content.assemble(("not used yet" if row.kind == "next hop" else "", "$quiet"))


def _goal(route: RouteView) -> Content:
    if route.pool is not None:
        return Content.assemble("pool ", foreign(route.pool))
    if route.mx:
        return Content("the MX in DNS")
    if route.next_hops:
        return join([foreign(one) for one in route.next_hops], ", ")
    if route.mailbox is not None:
        return Content.assemble("mailbox ", foreign(route.mailbox))
    return foreign(route.transport)


def state(row: Row) -> Content:
    """How a way is: a sign and a word."""
    if row.pause is not None:
        return Content.assemble(_SIGNS["paused"])
    if row.hop is not None:
        said = Content.assemble(_SIGNS.get(row.hop.state, (row.hop.state, "")))
        return Content.assemble(said, f" {time_text(row.hop.rest)}") if row.hop.rest else said
    if row.pool is not None and all(one.state != "up" for one in row.pool.members):
        return Content.assemble(("✖ none up", "$error"))
    return EMPTY


def detail(row: Row) -> Content:
    """All about a way, for below the list."""
    told = [EMPTY]
    if row.pause is not None:
        told.append(_paused(row.pause))
    if row.route is not None:
        told.append(_way(row.route))
    if row.pool is not None:
        told += [_member(one.name, one.state, one.weight, one.backup) for one in row.pool.members]
    if row.hop is not None:
        told += _figures(row.hop)
    if row.waiting:
        told.append(Content(f"{counted(row.waiting, 'message')} in hand for it"))
    return lines(told)


def _way(route: RouteView) -> Content:
    if route.transport in ("smtp", "mx"):
        return Content.assemble("to ", _goal(route), f", TLS {route.tls}")
    return Content.assemble("to ", _goal(route)) if route.mailbox else foreign(route.transport)


def _paused(pause: PauseView) -> Content:
    reason = Content.assemble(": ", foreign(pause.reason, LINE)) if pause.reason else EMPTY
    by = Content.assemble(" by ", foreign(pause.by)) if pause.by else EMPTY
    since = f" since {moment(pause.at)}" if pause.at else ""
    return Content.assemble(("■ paused", "$accent"), by, since, reason)


def _member(name: str, state: str, weight: int, backup: bool) -> Content:
    sign = _SIGNS.get(state, (state, ""))
    role = ", only while no other is up" if backup else ""
    return Content.assemble("  ", foreign(name), "  ", sign, f", weight {weight}{role}")


def _figures(hop: HopView) -> list[Content]:
    share = f" ({100 * hop.hits // hop.transactions} %)" if hop.transactions else ""
    told = [
        Content(
            f"{counted(hop.connections, 'connection')}, {hop.idle} idle, at most {hop.limit}; "
            f"{hop.transactions:,} transactions, {hop.hits:,}{share} over an open one"
        ),
        Content(f"connections since the start: {hop.opened:,} opened, {hop.failed:,} failed"),
    ]
    if hop.messages_per_minute is not None:
        told.append(Content(f"at most {counted(hop.messages_per_minute, 'message')} a minute"))
    if hop.reason:
        said = foreign(hop.reason, LINE)
        told.append(Content.assemble(("▲ resting: ", "$warning"), said))
    return told


def answer(found: RouteTest) -> Content:
    """Which way mail for an address takes."""
    told = [
        Content.assemble(
            ("→ ", "$success"), foreign(found.address, LINE, "bold"), ": ", foreign(found.transport)
        ),
        Content.assemble("  because ", foreign(found.why, LINE)),
    ]
    if found.next_hops:
        pool = Content.assemble("pool ", foreign(found.pool), ": ") if found.pool else EMPTY
        tls = f", TLS {', '.join(found.tls)}" if found.tls else ""
        hops = join([foreign(one) for one in found.next_hops], ", ")
        told.append(Content.assemble("  to ", pool, hops, tls))
    elif found.tls:
        told.append(Content(f"  with TLS {', '.join(found.tls)}"))
    if found.mailbox is not None:
        told.append(Content.assemble("  in mailbox ", foreign(found.mailbox)))
    if found.reply:
        told.append(Content.assemble(("  ✖ it bounces: ", "$error"), foreign(found.reply, LINE)))
    if found.paused:
        what = join([foreign(one) for one in found.paused], ", ")
        told.append(Content.assemble(("  ■ paused now: ", "$accent"), what))
    return lines(told)
