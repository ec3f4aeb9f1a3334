"""Events of both nodes as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.monitor.log.told import EventPage, Told
from appliance.monitor.severity import Severity


def told(second: int, event: str, severity: str, node: str = "a", **fields: object) -> Told:
    """An event of that second."""
    return Told(
        at=f"2026-09-21T14:13:{second:02}.250Z",
        node=node,
        process=str(fields.pop("process", "mail")),
        severity=Severity(severity),
        event=event,
        queue_id=str(fields.pop("queue_id", "")),
        fields=fields,
    )


EVENTS = (
    told(9, "sent", "info", queue_id="Q99AZE3VXR0001", process="delivery", to="a@port.test"),
    told(
        *(8, "smtp_rejected", "notice"),
        client="192.0.2.7",
        reply="\x1b[2J[bold]550 5.7.1\u202e no",
    ),
    told(7, "link_down", "warning", node="b", reason="silent"),
    told(6, "content_damaged", "error", node="b", queue_id="Q99AZE3VXR0007"),
    told(5, "transition", "notice", process="failover", vrid=1, before="Backup", after="Active"),
)
AUDIT = (
    told(
        *(4, "audit", "notice"),
        process="control",
        by="anna",
        role="administrator",
        action="set password of bert",
        outcome="done",
    ),
    told(
        *(3, "audit", "notice", "b"),
        process="control",
        by="bert",
        role="viewer",
        action="remove messages",
        outcome="forbidden",
    ),
)


def page(query: Mapping[str, Sequence[str]], body: bytes) -> EventPage:
    """What was asked for."""
    return EventPage(events=AUDIT if query.get("event") == ["audit"] else EVENTS)


HAPPENINGS: Mapping[str, object] = {"/events": page}
