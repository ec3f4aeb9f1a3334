"""Alerts of both nodes, now and ended, as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.schema_alerts import (
    AcknowledgedView,
    AlertHistory,
    Alerts,
    AlertView,
    EndedAlert,
    PeerAlerts,
)


def alert(name: str, severity: str, text: str, hint: str, **more: object) -> AlertView:
    """An alert that has been raised for an hour."""
    known = more.get("known")
    return AlertView(
        name=name,
        subject="",
        severity=severity,
        text=text,
        hint=hint,
        phase=str(more.get("phase", "raised")),
        held=3_600_000,
        raised_at=1_790_000_000_000,
        acknowledged=AcknowledgedView(by="anna", why=str(known), at=0, left=None)
        if known
        else None,
    )


NOW = Alerts(
    node="a",
    alerts=(
        alert(
            "next_hop_down",
            "warning",
            "Next hop 192.0.2.25:25 has taken no mail for 1 h: \x1b[31mno route\x1b[0m.",
            "look at the way there; `twinpost route status` says what it answered",
            known="the satellite is down until noon",
        ),
        alert("index_behind", "warning", "Search is behind.", "", phase="clearing"),
        alert("unseen", "warning", "Not told yet.", "", phase="pending"),
    ),
    peer=PeerAlerts(
        node="b",
        ago=900,
        alerts=(
            alert(
                "disk_low",
                "critical",
                "The disk of the spool is nearly full: 80 MiB are free.",
                "free some space on /var/lib/twinpost, or give it a larger disk",
            ),
        ),
    ),
)
ENDED = AlertHistory(
    (
        EndedAlert(
            name="solo",
            subject="",
            severity="critical",
            text="This node is alone: 12 messages are on it only.",
            raised_at=1_789_000_000_000,
            cleared_at=1_789_000_300_000,
            lasted=300_000,
            acknowledged_by="bert",
            acknowledged_why="changing its disk",
        ),
    )
)
ALERTS: Mapping[str, object] = {"/alerts": NOW, "/alerts/history": ENDED}
