"""When a job is due. Places are moments on an axis that no clock step moves (`monitor.ring`)."""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Plan:
    """Every so many milliseconds; the first time after `first`, after a failure in `again`."""

    every: int
    first: int = 5 * MINUTE
    again: int = HOUR


@dataclass(frozen=True)
class Past:
    """The place where a job was first heard of, or its last run began, and how that went."""

    place: int
    ran: bool = False
    ok: bool = True


def due_at(plan: Plan, past: Past) -> int:
    """The place at which it is due: what was missed while nothing ran is due once, at once."""
    if not past.ran:
        return past.place + min(plan.first, plan.every)
    return past.place + (plan.every if past.ok else min(plan.again, plan.every))
