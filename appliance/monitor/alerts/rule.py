"""A rule: when there is an alert, and what an operator is to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from appliance.monitor.snapshot import Snapshot

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Severity(StrEnum):
    """CRITICAL: a fault more loses mail or stops it. WARNING: not as it should be."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Found:
    """A condition holds. `subject` tells several apart; `hint`, `severity` are the rule's if None.

    Nothing in it may steer a terminal: what came from outside has passed `visible`.
    """

    text: str
    subject: str = ""
    hint: str | None = None
    severity: Severity | None = None


Condition = Callable[[Snapshot], Iterable[Found] | None]
"""What holds at a moment; None if nobody can tell, and then everything stays as it is."""


@dataclass(frozen=True)
class Rule:
    """There is an alert once the condition has held for `after` ms, until it has not for `clear`.

    While it is not raised yet, lulls of `lull` ms do not count, and if it is `quiet`,
    `twinpost status` does not speak of it. `shared`: it is about the pair, so both nodes have it,
    and one of them mails it. `about` and `hint` are for docs/monitoring.md,
    and the hint for whoever is told.
    """

    name: str
    severity: Severity
    condition: Condition
    about: str
    hint: str
    after: int = 0
    clear: int = 30 * SECOND
    lull: int = 0
    quiet: bool = False
    shared: bool = False
