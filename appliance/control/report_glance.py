"""The first lines of a report: how the pair is, at a glance, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.control.report_outlook import curve
from appliance.control.report_seen import Seen
from appliance.mail.visible import visible
from appliance.monitor.jobs import JobView, Outcome
from appliance.report.content import Outlook, State, Tile, Trouble
from appliance.report.words import number, span

_LINE = 300
_OLD_BACKUP = 8 * 86_400_000


def tiles(nodes: Sequence[Seen], outlook: Sequence[Outlook], now: int) -> Iterator[Tile]:
    """In the order in which one asks; the first of `nodes` is the one that makes the report."""
    own = nodes[0]
    yield _pair(nodes)
    yield _mail(nodes)
    yield from _addresses(nodes)
    yield _queue(nodes)
    yield _runs_out("Disk", "disk", own, outlook)
    yield _runs_out("Certificate", "certificate", own, outlook)
    yield _backup(nodes, now)
    yield _self_test(nodes, now)


def _pair(nodes: Sequence[Seen]) -> Tile:
    own = nodes[0].status
    mail = own.mail if own else None
    if mail is None:
        return Tile(name="Pair", value="unknown", state=State.CRITICAL, note="mail does not answer")
    share = [value for value in curve(nodes[0], "pair.paired") if value is not None]
    note = f"for {span(mail.mode_for)}"
    if share:
        note += f"; {100 * sum(share) / len(share):.2f} % of the time that is known"
    if mail.exposed:
        note += f"; {number(mail.exposed)} messages on this node only"
    state = State.GOOD if mail.mode == "paired" and not mail.exposed else State.ATTENTION
    if mail.mode in ("solo", "split"):
        state = State.CRITICAL
    return Tile(name="Pair", value=mail.mode, state=state, note=note)


def _mail(nodes: Sequence[Seen]) -> Tile:
    mails = [(one.name, one.status.mail) for one in nodes if one.status and one.status.mail]
    takes = [name for name, mail in mails if mail.accepting]
    if len(takes) == len(nodes):
        value, state = "accepted", State.GOOD
    elif takes:
        value, state = f"by node {takes[0]} only", State.ATTENTION
    else:
        value, state = "by neither node", State.CRITICAL
    note = f"{number(sum(mail.accepted for _, mail in mails))} messages since the nodes started"
    return Tile(name="Mail", value=value, state=state, note=note)


def _addresses(nodes: Sequence[Seen]) -> Iterator[Tile]:
    known = [one for one in nodes if one.status is not None]
    wanted = {virtual.address for one in known if one.status for virtual in one.status.virtual}
    if not wanted:
        return
    held = {
        virtual.address: one.name
        for one in known
        if one.status
        for virtual in one.status.virtual
        if virtual.here
    }
    lost = sorted(wanted - held.keys())
    if lost:
        note = visible(", ".join(lost), _LINE)
        yield Tile(name="Virtual addresses", value="not served", state=State.CRITICAL, note=note)
        return
    places = sorted({f"node {name}" for name in held.values()})
    where = [f"{address} at node {name}" for address, name in sorted(held.items())]
    note = visible(", ".join(where), _LINE)
    yield Tile(name="Virtual addresses", value=" and ".join(places), state=State.GOOD, note=note)


def _queue(nodes: Sequence[Seen]) -> Tile:
    own = nodes[0]
    queue = own.status.queue if own.status else None
    if queue is None:
        return Tile(name="Queue", value="unknown", state=State.ATTENTION)
    waiting = queue.queued + queue.leased + queue.deferred + queue.waiting
    note = f"{number(queue.deferred)} deferred, {number(queue.held)} held"
    views = [one.status.delivery for one in nodes if one.status and one.status.delivery]
    down = sorted({hop.name for view in views for hop in view.hops if hop.state != "up"})
    if down:
        note += f"; no mail now for {visible(', '.join(down), _LINE)}"
    state = State.ATTENTION if queue.held or down else State.GOOD
    return Tile(name="Queue", value=f"{number(waiting)} recipients", state=state, note=note)


def _runs_out(name: str, what: str, own: Seen, outlook: Sequence[Outlook]) -> Tile:
    found = [one for one in outlook if what in one.what]
    if not found:
        return Tile(name=name, value="unknown", state=State.UNKNOWN)
    order = tuple(State)
    worst = max(found, key=lambda one: order.index(one.state))
    first = next((one for one in found if one.node == own.name), found[0])
    shown = worst if worst.state is not State.GOOD else first
    verb = "runs out" if what == "disk" else "ends"
    dated = shown.text.startswith(("in ", "today"))
    note = f"node {shown.node}: {verb} {shown.text}" if dated else shown.text
    value = shown.now.partition(" of ")[0]
    return Tile(name=name, value=value, state=worst.state, note=note)


def _backup(nodes: Sequence[Seen], now: int) -> Tile:
    name = "Backup"
    jobs = [(one, job) for one in nodes for job in one.jobs if job.name == "backup"]
    if all(job.off for _, job in jobs):
        note = "no folder for backups is set on either node"
        return Tile(name=name, value="never by itself", state=State.UNKNOWN, note=note)
    runs = [run for one in nodes for run in one.runs if run.job == "backup"]
    good = max((run.at for run in runs if run.outcome is Outcome.OK), default=None)
    failing = [(one, job) for one, job in jobs if job.failures]
    note = "; ".join(_why(one.name, job) for one, job in failing)
    if good is None:
        return Tile(name=name, value="none yet", state=State.ATTENTION, note=note)
    age = now - good
    state = State.ATTENTION if failing else State.GOOD
    if age > _OLD_BACKUP:
        state = State.CRITICAL
    return Tile(name=name, value=f"{span(age)} ago", state=state, note=note)


def _self_test(nodes: Sequence[Seen], now: int) -> Tile:
    jobs = [(one, job) for one in nodes for job in one.jobs if job.name == "self-test"]
    failing = [_why(one.name, job) for one, job in jobs if job.failures]
    if failing:
        return Tile(
            name="Self-test", value="failed", state=State.ATTENTION, note="; ".join(failing)
        )
    ended = [(one, job.last) for one, job in jobs if job.last is not None]
    if not ended:
        return Tile(name="Self-test", value="not yet", state=State.UNKNOWN)
    note = ", ".join(f"{span(now - run.at)} ago on node {one.name}" for one, run in ended)
    return Tile(name="Self-test", value="passed", state=State.GOOD, note=note)


def _why(node: str, job: JobView) -> str:
    text = job.last.text if job.last else ""
    return f"node {node}: {visible(text, _LINE)}"


def troubles(nodes: Sequence[Seen]) -> Iterator[Trouble]:
    """What is not as it should be now, the worst first."""
    found = list(_troubles(nodes))
    yield from sorted(found, key=lambda one: one.state is not State.CRITICAL)


def _troubles(nodes: Sequence[Seen]) -> Iterator[Trouble]:
    for one in nodes:
        if one.status is None:
            yield Trouble(
                node=one.name,
                state=State.ATTENTION,
                text=f"it could not be asked: {visible(one.problem, _LINE)}",
                hint="a report made on the other node says more of it",
            )
            continue
        for alarm in one.status.alarms:
            known = f" ({alarm.acknowledged.by} knows)" if alarm.acknowledged else ""
            yield Trouble(
                node=one.name,
                state=State.CRITICAL if alarm.severity == "critical" else State.ATTENTION,
                text=visible(alarm.text, _LINE) + visible(known, _LINE),
                hint=visible(alarm.hint, _LINE),
            )
