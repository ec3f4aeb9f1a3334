"""What this node's health leaves of the priorities of its virtual routers; no I/O, no clock.

Some faults leave nothing: the node gives up at once. A node that serves, but takes no new mail,
gives up only to a peer that says it does: an address that answers 452 is better than none. All
else moves the priority, which decides who serves when both could.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

RELEASED = 0
LEAST, MOST = 1, 254
LINK_DOWN = -20
"""Without the link this node may lack mail that the peer has taken."""
NOT_THERE = "the mail process is not there"
SILENT = "the mail process is silent"


class Verdict(NamedTuple):
    """What is left of the priority, and why it is not all; "" if it is."""

    priority: int
    why: str


class Mail(msgspec.Struct, frozen=True):
    """How the mail process says it is: see `ipc.failover.Report`."""

    serving: bool
    why: str
    linked: bool


class RouterHealth(msgspec.Struct, frozen=True):
    """What a virtual router is configured with that matters here."""

    priority: int
    interface: str


class Check:
    """A command's results: `fall` failures in a row and it fails, `rise` successes and it passes.

    The first result counts at once, as nothing is known before it.
    """

    def __init__(self, rise: int, fall: int) -> None:
        self.passing: bool | None = None
        self._rise = rise
        self._fall = fall
        self._against = 0

    def ran(self, passed: bool) -> bool:
        """Note a result; True if that changes `passing`."""
        if passed is self.passing:
            self._against = 0
            return False
        self._against += 1
        needed = 1 if self.passing is None else self._rise if passed else self._fall
        if self._against < needed:
            return False
        self.passing, self._against = passed, 0
        return True


class Health:
    """Collects what is known; `verdict` says what comes of it.

    mail: None if it is `gone`, which says how. dark: interfaces without a carrier. unbound: why
    the addresses of a virtual router could not be acquired. leaving: those in a switchover.
    """

    def __init__(self, routers: Mapping[int, RouterHealth], weights: Mapping[str, int]) -> None:
        """`weights` of the configured checks, by name."""
        self.maintenance = False
        self.mail: Mail | None = None
        self.gone = NOT_THERE
        self.dark: set[str] = set()
        self.checks: dict[str, bool] = {}
        self.unbound: dict[int, str] = {}
        self.leaving: set[int] = set()
        self._routers = routers
        self._weights = weights

    def verdict(self, vrid: int, peer_ready: bool) -> Verdict:
        """The priority of a virtual router; `peer_ready`: the peer says that it could serve."""
        why = self._hopeless(vrid)
        if why:
            return Verdict(RELEASED, why)
        assert self.mail is not None
        if self.mail.why:
            return Verdict(RELEASED if peer_ready else LEAST, f"no new mail: {self.mail.why}")
        return self._weighed(self._routers[vrid].priority)

    @property
    def ready(self) -> bool:
        """This node could serve all virtual addresses: what the peer is told."""
        return all(self.verdict(vrid, True).priority for vrid in self._routers)

    @property
    def aside(self) -> bool:
        """The peer is to deliver what this node accepts."""
        return self.maintenance or bool(self.dark)

    def _hopeless(self, vrid: int) -> str:
        interface = self._routers[vrid].interface
        if self.maintenance:
            return "maintenance"
        if vrid in self.leaving:
            return "switchover"
        if self.mail is None:
            return self.gone
        if not self.mail.serving:
            return self.mail.why or "the mail process does not serve"
        if interface in self.dark:
            return f"{interface} has no carrier"
        if vrid in self.unbound:
            return self.unbound[vrid]
        failed = (name for name, passing in self.checks.items() if not passing)
        return next((f"check {name} fails" for name in failed if not self._weights[name]), "")

    def _weighed(self, priority: int) -> Verdict:
        reasons = []
        if self.mail is not None and not self.mail.linked:
            priority += LINK_DOWN
            reasons.append("link down")
        for name, weight in self._weights.items():
            passing = self.checks.get(name)
            if weight > 0 and passing:
                priority += weight
            elif weight < 0 and passing is False:
                priority += weight
                reasons.append(f"check {name} fails")
        return Verdict(min(max(priority, LEAST), MOST), ", ".join(reasons))
