"""Both nodes of the demo side by side, as plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from appliance.cli.output import bytes_text, counted, time_text

if TYPE_CHECKING:
    from appliance.control.schema import Status

_WIDTH = 32


def pair_text(statuses: Sequence[tuple[str, Status | None]]) -> str:
    """One column for each (node name, its status or None if it does not answer)."""
    lines = [_line("", [f"node {name}" for name, _ in statuses])]
    for label, cell in _ROWS:
        lines.append(_line(label, [cell(status) if status else "" for _, status in statuses]))
    for name, status in statuses:
        if status is None:
            lines.append(f"  {name}: not running")
            continue
        for alarm in status.alarms:
            lines.append(f"  {name}: {alarm.severity.upper()}: {alarm.text}")
    return "\n".join(lines)


def _line(label: str, cells: Sequence[str]) -> str:
    return "".join([f"  {label:<11}", *(f"{cell:<{_WIDTH}}" for cell in cells)]).rstrip()


def _mode(status: Status) -> str:
    mail = status.mail
    return f"{mail.mode} for {time_text(mail.mode_for)}" if mail else "mail process down"


def _peer(status: Status) -> str:
    peer = status.mail.peer if status.mail else None
    if peer is None or not peer.connected:
        return "not connected"
    return f"connected, {counted(peer.lag, 'record')} behind" if peer.lag else "connected, level"


def _exposed(status: Status) -> str:
    return counted(status.mail.exposed, "message") if status.mail else "?"


def _accepted(status: Status) -> str:
    return counted(status.mail.accepted, "message") if status.mail else "?"


def _delivered(status: Status) -> str:
    return counted(status.mail.delivered, "recipient") if status.mail else "?"


def _queue(status: Status) -> str:
    if status.queue is None:
        return "?"
    waiting = [
        f"{number} {state}"
        for state in ("queued", "leased", "deferred", "held", "waiting")
        if (number := getattr(status.queue, state))
    ]
    return ", ".join(waiting) or "empty"


def _certain(status: Status) -> str:
    mail = status.mail
    return f"{counted(mail.duplicates, 'duplicate')}, {mail.doubts} doubts" if mail else "?"


def _virtual(status: Status) -> str:
    return ", ".join(one.address for one in status.virtual if one.here) or "-"


def _role(status: Status) -> str:
    routers = status.failover.routers if status.failover else ()
    return ", ".join(one.state for one in routers) or "?"


def _disk(status: Status) -> str:
    return f"{bytes_text(status.disk.free)} free"


def _processes(status: Status) -> str:
    down = [f"{one.name} {one.state}" for one in status.processes if one.state != "ready"]
    return ", ".join(down) or "all ready"


_ROWS: Sequence[tuple[str, Callable[[Status], str]]] = (
    ("mode", _mode),
    ("link", _peer),
    ("exposed", _exposed),
    ("accepted", _accepted),
    ("delivered", _delivered),
    ("queue", _queue),
    ("certainty", _certain),
    ("virtual", _virtual),
    ("role", _role),
    ("processes", _processes),
    ("disk", _disk),
)
