"""The tables of a report: alerts, events and jobs of both nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from appliance.control.report_seen import Seen
from appliance.mail.visible import visible
from appliance.monitor.log.told import Told
from appliance.report.content import Table
from appliance.report.words import moment, span

_TEXT = 300
_ROWS = 30


def tables(nodes: Sequence[Seen], since: int) -> tuple[Table, ...]:
    """In the order in which they are read."""
    return _alerts(nodes, since), _events(nodes), _runs(nodes, since), _jobs(nodes)


def _jobs(nodes: Sequence[Seen]) -> Table:
    rows = []
    for one in nodes:
        for job in one.jobs:
            last = "never" if job.last is None else f"{moment(job.last.at)}, {job.last.outcome}"
            text = job.last.text if job.last else job.off
            rows.append((one.name, job.name, span(job.every), last, visible(text, _TEXT)))
    return Table(
        title="Jobs",
        heads=("node", "job", "every", "last", ""),
        rows=tuple(rows),
        note="No node told of its jobs.",
    )


def _alerts(nodes: Sequence[Seen], since: int) -> Table:
    """What was raised and is over."""
    found = [(ended, one.name) for one in nodes for ended in one.ended if ended.cleared_at >= since]
    rows = [
        (
            moment(ended.raised_at),
            span(ended.lasted),
            node,
            ended.severity,
            visible(ended.text, _TEXT),
        )
        for ended, node in sorted(found, key=lambda one: -one[0].raised_at)[:_ROWS]
    ]
    return Table(
        title="Alerts that ended in this period",
        heads=("raised at", "lasted", "node", "", ""),
        rows=tuple(rows),
        note="None.",
    )


# What a field of an event may tell outside. None of them has content of mail; nothing that is not
# named here leaves the node.
EVENT_FIELDS = (
    "mode",
    "state",
    "before",
    "router",
    "exposed",
    "service",
    "code",
    "signal",
    "job",
    "action",
    "user",
    "by",
    "peer",
    "address",
    "addresses",
    "relay",
    "client",
    "to",
    "reason",
    "why",
    "error",
    "reply",
    "text",
    "took",
)


def _events(nodes: Sequence[Seen]) -> Table:
    """Warnings and worse of both nodes, as the first one keeps them; the same again is counted."""
    kept = nodes[0].events
    latest: dict[tuple[str, str, str], str] = {}
    times = Counter[tuple[str, str, str]]()
    for one in kept or ():
        about = (one.node, str(one.severity), _said(one))
        latest.setdefault(about, one.at)
        times[about] += 1
    rows = []
    for about, at in latest.items():
        node, severity, said = (visible(text, _TEXT) for text in about)
        again = f" (× {times[about]})" if times[about] > 1 else ""
        rows.append((visible(at[:19].replace("T", " "), _TEXT), node, severity, said + again))
    return Table(
        title="The latest events that were warnings or worse",
        heads=("at", "node", "", ""),
        rows=tuple(rows),
        note="No events are kept." if kept is None else "None in this period.",
    )


def _said(event: Told) -> str:
    fields = event.fields
    said = [f"{name} {fields[name]}" for name in EVENT_FIELDS if fields.get(name) not in (None, "")]
    about = f" {event.queue_id}" if event.queue_id else ""
    return f"{event.event}{about}: {', '.join(said)}" if said else f"{event.event}{about}"


def _runs(nodes: Sequence[Seen], since: int) -> Table:
    """What went wrong with jobs in the period."""
    found = [
        (run.at, one.name, run)
        for one in nodes
        for run in one.runs
        if run.outcome != "ok" and run.at >= since
    ]
    rows = [
        (moment(at), node, run.job, str(run.outcome), visible(run.text, _TEXT))
        for at, node, run in sorted(found, key=lambda one: -one[0])[:_ROWS]
    ]
    return Table(
        title="Jobs that failed in this period",
        heads=("at", "node", "job", "", ""),
        rows=tuple(rows),
        note="None.",
    )
