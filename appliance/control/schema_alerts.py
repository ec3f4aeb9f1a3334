"""The control API's messages about alerts."""

from __future__ import annotations

import msgspec


class AcknowledgedView(msgspec.Struct, frozen=True, kw_only=True):
    """Who knows of an alert, and for how much longer nobody is told again; null: to its end."""

    by: str
    why: str
    at: int
    left: int | None


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator should know now: what it is, and what to do.

    `phase`: pending (it holds, not long enough to be told), raised, or clearing (it holds no more,
    not long enough to be sure). `held`: for how long it has. `raised_at`: by the wall clock.
    """

    name: str
    subject: str
    severity: str
    text: str
    hint: str
    phase: str
    held: int
    raised_at: int | None
    acknowledged: AcknowledgedView | None


class PeerAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """The other node's alerts, as it told them `ago`; None if it has not since the start."""

    node: str
    ago: int
    alerts: tuple[AlertView, ...]


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of both nodes, the worst first."""

    node: str
    alerts: tuple[AlertView, ...]
    peer: PeerAlerts | None


class EndedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was cleared after it had been raised for `lasted`."""

    name: str
    subject: str
    severity: str
    text: str
    raised_at: int
    cleared_at: int
    lasted: int
    acknowledged_by: str
    acknowledged_why: str


class AlertHistory(msgspec.Struct, frozen=True):
    """The last alerts of this node that were cleared, the latest first."""

    ended: tuple[EndedAlert, ...]


class AcknowledgeAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say that somebody knows: `why`, and for how long (ms, null: to its end) to be left alone."""

    subject: str = ""
    why: str = ""
    lasts: int | None = None


class NodeWord(msgspec.Struct, frozen=True, kw_only=True):
    """What one node tells the other: its clock, its alerts, and where it greets SMTP clients.

    And its release, and the addresses of its virtual routers by VRID; null if it does not say.
    """

    node: str
    clock: int
    smtp: tuple[str, int]
    alerts: tuple[AlertView, ...]
    release: str = ""
    routers: dict[str, tuple[str, ...]] | None = None
