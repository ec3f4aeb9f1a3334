"""When an alert is raised and cleared, and who is still to be told of it (pure).

`now` is a place on the history's axis (see `monitor.ring`), in milliseconds: no step of the clock
and no restart of this process makes an alert older or younger.

    nothing ─ holds ─▶ PENDING ─ for `after` ─▶ RAISED ─ no more ─▶ CLEARING ─ for `clear` ─┐
                          │ not for `lull`         ▲                   │ holds               ▼
                          ▼                        └───────────────────┘                CLEARED
                       nothing                                          nothing ◀─ all told ┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from appliance.monitor.alerts.rule import Found, Rule, Severity
from appliance.monitor.alerts.table import severity

Key = tuple[str, str]
"""The rule's name and the subject."""


class Phase(StrEnum):
    """See the module."""

    PENDING = "pending"
    RAISED = "raised"
    CLEARING = "clearing"
    CLEARED = "cleared"


class Channel(StrEnum):
    """Ways to tell somebody."""

    MAIL = "mail"
    COMMAND = "command"


class Acknowledgement(msgspec.Struct, frozen=True):
    """Somebody knows of an alert: not told of again before `until`, or its end if None."""

    by: str
    why: str
    at: int
    until: int | None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `since`: it holds; `raised`, `lull` and `cleared`: when that began, by place.

    `wall` is the wall clock's word for `raised`, for people. `untold`: channels on which its last
    turn is still to be told.
    """

    name: str
    subject: str
    severity: Severity
    text: str
    hint: str
    phase: Phase
    since: int
    raised: int | None = None
    wall: int = 0
    lull: int | None = None
    cleared: int | None = None
    untold: frozenset[Channel] = frozenset()
    acknowledged: Acknowledgement | None = None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.name, self.subject

    @property
    def up(self) -> bool:
        """Whether it is raised and not cleared."""
        return self.phase in (Phase.RAISED, Phase.CLEARING)


@dataclass(frozen=True)
class Change:
    """`alert` was raised or cleared just now; `was` is how it stood before."""

    alert: Alert
    was: Alert | None


class Engine:
    """The alerts of a node. `channels` are those on which somebody is told."""

    def __init__(self, channels: frozenset[Channel], alerts: Sequence[Alert] = ()) -> None:
        self._channels = channels
        self.alerts: dict[Key, Alert] = {alert.key: alert for alert in alerts}

    def step(
        self, now: int, wall: int, told: Mapping[Rule, Sequence[Found] | None]
    ) -> Sequence[Change]:
        """What changes now that this holds; a rule that cannot tell leaves its alerts alone."""
        changes: list[Change] = []
        rules = {rule.name: rule for rule in told}
        holds = {
            (rule.name, one.subject): one for rule, found in told.items() for one in found or ()
        }
        for key in [*self.alerts, *(key for key in holds if key not in self.alerts)]:
            rule = rules.get(key[0])
            if rule is not None and told[rule] is None:
                continue
            before = self.alerts.get(key)
            after = self._next(now, wall, rule, holds.get(key), before)
            self._keep(key, after)
            if after is not None and (before is None or after.up is not before.up):
                if after.up or after.phase is Phase.CLEARED:
                    changes.append(Change(after, before))
        return changes

    def acknowledge(self, key: Key, acknowledgement: Acknowledgement) -> Alert:
        """Note that somebody knows; LookupError if there is no such alert."""
        alert = self.alerts.get(key)
        if alert is None or alert.phase is Phase.CLEARED:
            raise LookupError(f"there is no alert {key[0]}" + f" of {key[1]}" * bool(key[1]))
        untold = alert.untold - {Channel.MAIL}
        self.alerts[key] = replace(alert, acknowledged=acknowledgement, untold=untold)
        return self.alerts[key]

    def untold(self, channel: Channel) -> Sequence[Alert]:
        """Alerts whose last turn is to be told on that channel."""
        return [alert for alert in self.alerts.values() if channel in alert.untold]

    def was_told(self, channel: Channel, alerts: Sequence[Alert]) -> None:
        """These were told of on that channel, as they stood."""
        for alert in alerts:
            now = self.alerts.get(alert.key)
            if now is not None and (now.phase is Phase.CLEARED) is (alert.phase is Phase.CLEARED):
                self._keep(alert.key, replace(now, untold=now.untold - {channel}))

    def _keep(self, key: Key, alert: Alert | None) -> None:
        if alert is None or (alert.phase is Phase.CLEARED and not alert.untold):
            self.alerts.pop(key, None)
        else:
            self.alerts[key] = alert

    def _next(
        self, now: int, wall: int, rule: Rule | None, found: Found | None, before: Alert | None
    ) -> Alert | None:
        if rule is None:  # of another release
            return None
        if found is None:
            return None if before is None else self._ceased(now, rule, before)
        return self._holds(now, wall, rule, found, before)

    def _holds(
        self, now: int, wall: int, rule: Rule, found: Found, before: Alert | None
    ) -> Alert | None:
        known = before is not None and before.phase is not Phase.CLEARED
        alert = before if before is not None and known else _new(rule, found, now)
        alert = replace(
            alert,
            severity=severity(rule, found),
            text=found.text,
            hint=_hint(rule, found),
            lull=None,
            acknowledged=_lasting(alert.acknowledged, now),
        )
        if alert.phase is Phase.CLEARING:
            return replace(alert, phase=Phase.RAISED)
        if alert.phase is Phase.PENDING and now - alert.since >= rule.after:
            return replace(alert, phase=Phase.RAISED, raised=now, wall=wall, untold=self._channels)
        if before is not None and before.acknowledged and not alert.acknowledged:
            return replace(alert, untold=alert.untold | self._channels)  # told again
        return alert

    def _ceased(self, now: int, rule: Rule, before: Alert) -> Alert | None:
        lull = now if before.lull is None else before.lull
        match before.phase:
            case Phase.PENDING:
                return None if now - lull >= rule.lull else replace(before, lull=lull)
            case Phase.RAISED | Phase.CLEARING:
                if now - lull < rule.clear:
                    return replace(before, phase=Phase.CLEARING, lull=lull)
                return replace(before, phase=Phase.CLEARED, cleared=now, untold=self._channels)
        return before


def _new(rule: Rule, found: Found, now: int) -> Alert:
    return Alert(
        name=rule.name,
        subject=found.subject,
        severity=severity(rule, found),
        text=found.text,
        hint=_hint(rule, found),
        phase=Phase.PENDING,
        since=now,
    )


def _hint(rule: Rule, found: Found) -> str:
    return rule.hint if found.hint is None else found.hint


def _lasting(known: Acknowledgement | None, now: int) -> Acknowledgement | None:
    return None if known and known.until is not None and known.until <= now else known


def standing(alerts: Mapping[Key, Alert]) -> Sequence[Alert]:
    """Those that hold or are not cleared yet: the worst first, then the oldest."""
    found = [alert for alert in alerts.values() if alert.phase is not Phase.CLEARED]
    return sorted(found, key=lambda alert: (alert.severity, not alert.up, alert.since))
