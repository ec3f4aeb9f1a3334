"""Puts a report together from what both nodes told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from appliance.config.node import NodeSettings
from appliance.control.report_glance import tiles, troubles
from appliance.control.report_outlook import curve, outlook
from appliance.control.report_seen import Seen
from appliance.control.report_settings import configuration
from appliance.control.report_tables import tables
from appliance.mail.visible import visible
from appliance.report.content import Chart, Curve, Figure, Report, Row
from appliance.report.words import moment, number, size, span

_MINUTE = 60_000
_TEXT = 300


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is told of a report whatever the nodes say. `at`, `since`: wall-clock milliseconds."""

    node: NodeSettings
    release: str
    key: str
    at: int
    since: int
    redacted: bool


def content(frame: Frame, nodes: Sequence[Seen]) -> Report:
    """The report of the first of `nodes`, with all names; it is redacted afterwards."""
    own = nodes[0]
    document = own.site.document if own.site else None
    reserve = int(frame.node.disk_reserve)
    looks = tuple([one for node in nodes for one in outlook(node, reserve)])
    domains = document.get("domains") if document else None
    site = str(domains[0]) if isinstance(domains, list) and domains else str(frame.node.hostname)
    return Report(
        site=visible(site, _TEXT),
        node=own.name,
        release=frame.release,
        made_at=frame.at,
        since=frame.since,
        redacted=frame.redacted,
        key=frame.key,
        nodes=tuple([one.name for one in nodes]),
        glance=tuple(tiles(nodes, looks, frame.at)),
        troubles=tuple(troubles(nodes)),
        facts=tuple(_facts(nodes)),
        figures=tuple(_figures(nodes)),
        outlook=looks,
        charts=tuple(_charts(nodes)),
        tables=tables(nodes, frame.since),
        configuration=tuple(configuration(frame.node, document)),
    )


# What happened.


def _figures(nodes: Sequence[Seen]) -> Iterator[Figure]:
    """Exact ones of now and since the mail processes started; about, from the history, of more."""
    yield from _now(nodes[0])
    up = [f"node {one.name} for {_uptime(one)}" for one in nodes if _uptime(one)]
    group = f"since mail started: {', '.join(up)}"
    for field, title in _COUNTERS:
        yield from _of_nodes(nodes, f"mail.{field}", group, title, partial(_counter, field))
    history = nodes[0].history
    group = f"since {moment(history.start)}, about" if history else ""
    for metric, title in _SUMMED:
        yield from _of_nodes(nodes, f"about.{metric}", group, title, partial(_sum, metric))


_COUNTERS = (
    ("accepted", "messages accepted"),
    ("delivered", "recipients delivered"),
    ("rejected", "commands refused"),
    ("duplicates", "deliveries repeated"),
    ("doubts", "deliveries in doubt"),
    ("failed_logins", "logins refused"),
)
_SUMMED = (
    ("mail.accepted", "messages accepted"),
    ("mail.delivered", "recipients delivered"),
    ("mail.failed_logins", "logins refused"),
    ("hops.failed", "connections that next hops did not take"),
)
_QUEUE = (
    ("queued", "recipients not tried yet"),
    ("leased", "recipients under way"),
    ("deferred", "recipients tried, to be tried again"),
    ("held", "recipients held"),
    ("waiting", "recipients that wait for the other node"),
)


def _counter(field: str, seen: Seen) -> float | None:
    mail = seen.status.mail if seen.status else None
    return None if mail is None else float(getattr(mail, field))


def _sum(metric: str, seen: Seen) -> float | None:
    known = [value for value in curve(seen, metric) if value is not None]
    return round(sum(known) * seen.history.step / 1000) if known and seen.history else None


def _of_nodes(
    nodes: Sequence[Seen], name: str, group: str, title: str, read: Callable[[Seen], float | None]
) -> Iterator[Figure]:
    found = [(one.name, value) for one in nodes if (value := read(one)) is not None]
    if len(nodes) > 1 and found:
        found.append(("", sum(value for _, value in found)))
    for node, value in found:
        yield Figure(
            name=name, group=group, title=title, node=node, value=value, text=number(value)
        )


def _now(own: Seen) -> Iterator[Figure]:
    """Of what both nodes hold, told once."""
    found: list[tuple[str, str, float]] = []
    if queue := own.status.queue if own.status else None:
        found += [(f"queue.{field}", title, getattr(queue, field)) for field, title in _QUEUE]
    if own.mailboxes is not None:
        boxes = own.mailboxes.mailboxes
        found.append(("mailboxes", "mailboxes with mail", len(boxes)))
        messages = sum(one.messages for one in boxes)
        found.append(("mailboxes.messages", "messages in mailboxes", messages))
    for name, title, value in found:
        yield Figure(
            name=name, group="now", title=title, node="", value=float(value), text=number(value)
        )


# Over time.

_CHARTS = (
    ("Messages accepted", "per minute", ("mail.accepted",), 60.0),
    ("Recipients delivered", "per minute", ("mail.delivered",), 60.0),
    ("Queue of the pair", "recipients", ("queue.queued", "queue.deferred", "queue.held"), 1.0),
    ("Oldest message in the queue", "s", ("queue.oldest",), 1.0),
    ("Paired: 250 means both nodes", "share", ("pair.paired",), 1.0),
    ("Free on the spool's disk", "bytes", ("disk.free",), 1.0),
    ("Memory that is free", "bytes", ("memory.free",), 1.0),
    ("Processor", "cores", ("machine.cpu",), 1.0),
)


def _charts(nodes: Sequence[Seen]) -> Iterator[Chart]:
    """Of what both nodes hold, the first one's."""
    for title, unit, metrics, scale in _CHARTS:
        shown = nodes[:1] if metrics[0].startswith("queue.") else nodes
        histories = [one for one in shown if one.history is not None]
        if not histories:
            continue
        history = histories[0].history
        assert history is not None
        curves = [
            _curve(one, metric, one.name if len(metrics) == 1 else "", scale)
            for one in histories
            for metric in metrics
        ]
        if any(value is not None for one in curves for value in one.mean):
            yield Chart(
                title=title,
                unit=unit,
                start=history.start,
                step=history.step,
                curves=tuple(curves),
            )


def _curve(seen: Seen, metric: str, node: str, scale: float) -> Curve:
    label = f"node {node}" if node else metric.partition(".")[2]
    for one in seen.history.curves if seen.history else ():
        if one.metric == metric:
            return Curve(
                label=label, mean=_scaled(one.mean, scale), greatest=_scaled(one.greatest, scale)
            )
    return Curve(label=label, mean=())


def _scaled(values: Sequence[float | None], scale: float) -> tuple[float | None, ...]:
    return tuple([None if value is None else value * scale for value in values])


# The nodes.


def _facts(nodes: Sequence[Seen]) -> Iterator[Row]:
    for name, read in _FACTS:
        values = tuple([visible(read(one), _TEXT) for one in nodes])
        if any(values):
            yield Row(name=name, values=values)


def _hostname(seen: Seen) -> str:
    return seen.status.hostname if seen.status else ""


def _summary(seen: Seen) -> str:
    return seen.status.summary if seen.status else f"not asked: {seen.problem}"


def _release(seen: Seen) -> str:
    return seen.status.version if seen.status else ""


def _mode(seen: Seen) -> str:
    mail = seen.status.mail if seen.status else None
    return f"{mail.mode} for {span(mail.mode_for)}" if mail else ""


def _uptime(seen: Seen) -> str:
    mail = seen.status.mail if seen.status else None
    return span(mail.uptime) if mail else ""


def _restarts(seen: Seen) -> str:
    processes = seen.status.processes if seen.status else ()
    again = [f"{one.name} {one.restarts}" for one in processes if one.restarts]
    return ", ".join(again) or ("none" if processes else "")


def _routers(seen: Seen) -> str:
    failover = seen.status.failover if seen.status else None
    if failover is None:
        return ""
    return ", ".join(
        f"{', '.join(one.addresses)}: {one.state} for {span(one.since)}" for one in failover.routers
    )


def _disk(seen: Seen) -> str:
    if seen.status is None:
        return ""
    return f"{size(seen.status.disk.free)} of {size(seen.status.disk.total)} free"


def _hops(seen: Seen) -> str:
    delivery = seen.status.delivery if seen.status else None
    if delivery is None:
        return ""
    down = [f"{one.name} {one.state}" for one in delivery.hops if one.state != "up"]
    return ", ".join(down) or "all up, as far as they were tried"


def _index(seen: Seen) -> str:
    if seen.search is None:
        return ""
    return f"{seen.search.documents:,} messages, {size(seen.search.size)}"


_FACTS: tuple[tuple[str, Callable[[Seen], str]], ...] = (
    ("hostname", _hostname),
    ("in one sentence", _summary),
    ("release", _release),
    ("mode of the pair", _mode),
    ("mail process runs for", _uptime),
    ("processes started again", _restarts),
    ("virtual addresses", _routers),
    ("disk of the spool", _disk),
    ("next hops", _hops),
    ("search index", _index),
)
