"""All rules, and what holds at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from appliance.monitor.alerts import failover, mail, node, pair
from appliance.monitor.alerts.rule import Found, Rule, Severity
from appliance.monitor.snapshot import Snapshot

RULES: tuple[Rule, ...] = (*pair.RULES, *failover.RULES, *mail.RULES, *node.RULES)
QUIET = frozenset(rule.name for rule in RULES if rule.quiet)
MOST = 20
"""Alerts of one rule; of the rest it is told that there are more."""


def look(seen: Snapshot, rules: Iterable[Rule] = RULES) -> Mapping[Rule, Sequence[Found] | None]:
    """What holds now, rule by rule; None where nobody can tell."""
    return {rule: _bounded(rule.condition(seen)) for rule in rules}


def _bounded(found: Iterable[Found] | None) -> Sequence[Found] | None:
    if found is None:
        return None
    every = list(found)
    if len(every) <= MOST:
        return every
    more = len(every) - MOST + 1
    return [*every[: MOST - 1], Found(f"The same of {more} more.", "others")]


def holding(told: Mapping[Rule, Sequence[Found] | None]) -> Sequence[tuple[Rule, Found]]:
    """What is not as it should be at this moment, the worst first."""
    found = [(rule, one) for rule, ones in told.items() for one in ones or ()]
    return sorted(found, key=lambda one: severity(*one))


def severity(rule: Rule, found: Found) -> Severity:
    """How bad it is: "critical" sorts before "warning"."""
    return found.severity or rule.severity
