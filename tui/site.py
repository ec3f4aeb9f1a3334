"""What the console knows of the site: both nodes' status, and one sentence about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.control.schema import Status
    from appliance.control.schema_alerts import AlertView
    from tui.node import Trouble

SAMPLES = 60


@dataclass(frozen=True)
class Rate:
    """Messages a second, from a counter that is read now and then."""

    samples: tuple[float, ...] = ()
    _last: tuple[float, int] | None = None

    def counted(self, now: float, total: int | None) -> Rate:
        """With the counter as it is at `now` (seconds); None: not known, as it restarted."""
        if total is None:
            return replace(self, _last=None)
        samples = self.samples
        if self._last is not None:
            since, before = self._last
            if now - since < 0.5:
                return self
            grown = total - before if total >= before else total
            samples = (*samples, grown / (now - since))[-SAMPLES:]
        return Rate(samples, (now, total))

    @property
    def now(self) -> float:
        """The last sample."""
        return self.samples[-1] if self.samples else 0.0


@dataclass(frozen=True)
class Side:
    """One node; `trouble` says why it does not answer. `name` is what it called itself last."""

    status: Status | None = None
    trouble: Trouble | None = None
    name: str = ""
    accepted: Rate = field(default_factory=Rate)
    delivered: Rate = field(default_factory=Rate)

    def answered(self, status: Status, now: float) -> Side:
        """With a new status."""
        mail = status.mail
        return Side(
            status,
            None,
            status.name,
            self.accepted.counted(now, mail.accepted if mail else None),
            self.delivered.counted(now, mail.delivered if mail else None),
        )

    def failed(self, trouble: Trouble) -> Side:
        """Without an answer; what it said last is no longer true."""
        return replace(self, status=None, trouble=trouble)


@dataclass(frozen=True)
class Site:
    """Both nodes: the one the console runs at, and the other one over the link."""

    here: Side = Side()
    there: Side = Side()

    def side(self, other: bool) -> Side:
        """One of them."""
        return self.there if other else self.here

    def name(self, other: bool) -> str:
        """What a node is called (foreign text), "" if nobody knows."""
        if name := self.side(other).name:
            return name
        if other:
            mail = self.here.status.mail if self.here.status else None
            return mail.peer.name if mail and mail.peer else ""
        mail = self.there.status.mail if self.there.status else None
        return mail.peer.name if mail and mail.peer else ""

    def alarms(self) -> list[tuple[str, AlertView]]:
        """The alarms of both with the names of their nodes, critical ones first."""
        found = [
            (side.status.name, alarm)
            for side in (self.here, self.there)
            if side.status is not None
            for alarm in side.status.alarms
        ]
        return sorted(found, key=lambda one: one[1].severity != "critical")
