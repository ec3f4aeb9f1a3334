"""What is told of alerts: a message to the postmaster, and JSON for a command (pure)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from appliance.mail.date import date_text
from appliance.monitor.alerts.engine import Alert, Phase

_WIDTH = 72
_MOST = 50
"""Alerts in one message; of the rest it says how many there are."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a command gets on its standard input. `event`: raised or cleared; times are wall ms."""

    node: str
    event: str
    name: str
    subject: str
    severity: str
    text: str
    hint: str
    raised_at: int
    lasted: int | None


def notice(node: str, alert: Alert) -> Notice:
    """One alert for a command."""
    return Notice(
        node=node,
        event="cleared" if alert.phase is Phase.CLEARED else "raised",
        name=alert.name,
        subject=alert.subject,
        severity=alert.severity,
        text=alert.text,
        hint=alert.hint,
        raised_at=alert.wall,
        lasted=lasted(alert),
    )


def lasted(alert: Alert) -> int | None:
    """How long a cleared alert had been raised, in ms; None while it is."""
    if alert.cleared is None or alert.raised is None:
        return None
    return max(0, alert.cleared - alert.raised)


def message(
    node: str, sender: str, recipient: str, alerts: Sequence[Alert], now: int, token: str
) -> bytes:
    """A message about alerts (RFC 5322) that no machine answers (RFC 3834 §5)."""
    raised = [one for one in alerts if one.phase is not Phase.CLEARED]
    cleared = [one for one in alerts if one.phase is Phase.CLEARED]
    worst = min(raised, key=lambda one: one.severity).severity.upper() if raised else "cleared"
    names = ", ".join(dict.fromkeys(one.name for one in (raised or cleared)))
    domain = sender.rpartition("@")[2]
    lines = [
        f"From: Twinpost {node} <{sender}>",
        f"To: <{recipient}>",
        f"Subject: {_cut(f'[Twinpost {node}] {worst}: {names}')}",
        f"Date: {date_text(now)}",
        f"Message-ID: <{token}@{domain}>",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        *_part("Raised on node " + node, raised),
        *_part("Cleared on node " + node, cleared),
        "All alerts of both nodes: twinpost alerts list",
        "What each means and what to do: docs/monitoring.md",
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


def _part(title: str, alerts: Sequence[Alert]) -> Iterator[str]:
    if not alerts:
        return
    yield f"{title}:"
    yield ""
    for alert in alerts[:_MOST]:
        yield from textwrap.wrap(f"{alert.severity.upper()}: {alert.text}", _WIDTH)
        yield f"  ({alert.name}{f' {alert.subject}' * bool(alert.subject)}, {_when(alert)})"
        if alert.phase is not Phase.CLEARED:
            yield from textwrap.wrap(
                alert.hint, _WIDTH, initial_indent="  What to do: ", subsequent_indent="  "
            )
        yield ""
    if len(alerts) > _MOST:
        yield f"and {len(alerts) - _MOST} more."
        yield ""


def _when(alert: Alert) -> str:
    long = lasted(alert)
    since = f"since {date_text(alert.wall)}"
    return since if long is None else f"{since}, for {long // 1000} s"


def _cut(subject: str) -> str:
    """As long as a line should be (RFC 5322 §2.1.1); names of rules and nodes are ASCII."""
    return subject if len(subject) <= _WIDTH else f"{subject[: _WIDTH - 3]}..."
