"""`twinpost status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, counted, safe, show_json, time_text
from appliance.cli.policy import verification_text

if TYPE_CHECKING:
    from appliance.control.schema import Status
    from appliance.ipc.failover import FailoverView
    from appliance.mail.views import MailView, QueueCounts


@click.command()
@data_option
@json_option
def command(data: Path, as_json: bool) -> int:
    """Show how the node and its pair are; exit code 1 if there is an alarm."""
    client = node_client(data)
    with node_errors():
        status = client.status()
    if as_json:
        show_json(status)
    else:
        click.echo(status_text(status))
    return Exit.OK if status.healthy else Exit.NEGATIVE


def status_text(status: Status) -> str:
    """The whole status for people."""
    lines = [f"Node {status.name} ({status.hostname}), Twinpost {status.version}"]
    lines.append(f"  {status.summary}")
    lines.append("")
    lines += [f"  {name:<12} {text}" for name, text in _rows(status)]
    for alarm in status.alarms:
        lines += ["", f"  {alarm.severity.upper()}: {alarm.text}", f"    → {alarm.hint}"]
    return "\n".join(lines)


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    if status.mail is not None:
        yield from _mail_rows(status.mail)
    if status.queue is not None:
        yield "queue", queue_text(status.queue)
    for virtual in status.virtual:
        yield "virtual", f"{virtual.address} {'on this node' if virtual.here else 'not here'}"
    for paused in status.paused:
        reason = f": {safe(paused.reason)}" if paused.reason else ""
        yield "paused", f"{safe(paused.what)}, by {safe(paused.by)}{reason}"
    if status.failover is not None:
        yield from _failover_rows(status.failover)
    if status.tls is not None and status.tls.certificate is not None:
        yield "certificate", f"good for {counted(status.tls.certificate.days_left, 'more day')}"
    yield "disk", f"{bytes_text(status.disk.free)} of {bytes_text(status.disk.total)} free"
    yield from _available(status)
    if status.processes:
        told = [f"{one.name} {one.state}" for one in status.processes]
        yield "processes", ", ".join(told)


def _available(status: Status) -> Iterator[tuple[str, str]]:
    for one in status.availability:
        if (one.target, one.days) == ("service", 30):
            left = f"{time_text(one.budget_left)} may still fail"
            if one.budget_left < 0:
                left = f"{time_text(-one.budget_left)} too many failed"
            yield "available", f"{100 * one.share:.3f} % of 30 days, as seen here; {left}"


def _mail_rows(mail: MailView) -> Iterator[tuple[str, str]]:
    yield "mode", f"{mail.mode} for {time_text(mail.mode_for)}"
    if mail.peer is not None:
        peer = mail.peer
        state = "connected" if peer.connected else "not connected"
        lag = "nothing outstanding"
        if peer.lag:
            lag = f"{counted(peer.lag, 'record')} behind ({time_text(peer.lag_ms)})"
        yield "peer", f"{safe(peer.name) or 'never heard'}, {state}, {lag}"
    yield "exposed", f"{counted(mail.exposed, 'message')} on this node only"
    yield (
        "since start",
        f"{counted(mail.accepted, 'message')} accepted, "
        f"{counted(mail.rejected, 'command')} refused, "
        f"{counted(mail.delivered, 'recipient')} delivered, up {time_text(mail.uptime)}",
    )
    if mail.policy.verification.enabled:
        yield "recipients", verification_text(mail.policy.verification)
    yield (
        "certainty",
        f"{counted(mail.duplicates, 'duplicate')}, {counted(mail.doubts, 'doubtful attempt')}",
    )


def _failover_rows(failover: FailoverView) -> Iterator[tuple[str, str]]:
    for router in failover.routers:
        role = "maintenance" if failover.maintenance else router.state
        yield "role", f"{role} for virtual router {router.vrid}, priority {router.priority}"
    living = sum(path.alive for path in failover.paths)
    yield "heartbeat", f"on {living} of {counted(len(failover.paths), 'path')}"


def queue_text(counts: QueueCounts) -> str:
    """The queue in one line."""
    states = ("queued", "leased", "deferred", "held", "waiting")
    told = [f"{getattr(counts, state)} {state}" for state in states if getattr(counts, state)]
    if not told:
        return "empty"
    owned = f" (owned: {counts.owned_here} here, {counts.owned_by_peer} by the peer)"
    return ", ".join(told) + owned
