"""Availability: what share of probes was greeted, and what is left of what may fail (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from appliance.monitor.ring import DAY, LEVELS

OBJECTIVE = 0.999
DAYS = (1, 7, 30)
SERVICE, OWN, PEER = "service", "own", "peer"
"""What is probed: what clients use, this node, the other one."""


@dataclass(frozen=True)
class Probed:
    """Probes of a target since the start; `failing`: for how long none was greeted, in ms."""

    good: int = 0
    bad: int = 0
    failing: int = 0


class AvailabilityView(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of probes of `target` was greeted in the last `days`, as one node saw it.

    `observed`: ms in which it looked. `budget_left`: ms that may still fail in these days for the
    objective of 99.9 %; negative once it is missed.
    """

    target: str
    days: int
    share: float
    observed: int
    budget_left: int


def availability(target: str, days: int, share: float, samples: int) -> AvailabilityView:
    """From the mean of so many samples of the history."""
    observed = samples * LEVELS[0].step
    allowed, failed = (1 - OBJECTIVE) * days * DAY, (1 - share) * observed
    return AvailabilityView(
        target=target,
        days=days,
        share=share,
        observed=observed,
        budget_left=round(allowed - failed),
    )
