"""Whether a release that is on trial does its work. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

STEADY = 10.0
"""Seconds for which all services must have run without a restart."""
READY = 180.0
"""Seconds until then at most; the catching up of the pair is not part of it."""
PAIRED = 600.0
"""Seconds until the pair is paired again at most."""
_RESTARTS = 4
"""So many starts of one service in a trial are a loop."""


@dataclass(frozen=True)
class Seen:
    """What a node says of itself; `restarts`: of all services together since the node's start.

    worst: the most restarts of one service. mode: of the pair. active: it holds an address.
    """

    version: str
    ready: bool
    restarts: int
    worst: int
    mode: str
    exposed: int = 0
    active: bool = False


class Verdict(Enum):
    """What becomes of it."""

    GOOD = "good"
    BAD = "bad"


class Judge:
    """Looks at a node of release `version` from its start, at `now`, on."""

    def __init__(self, version: str, paired: bool, now: float) -> None:
        """`paired`: it must have been paired once, as it was before."""
        self._version = version
        self._must_pair = paired
        self._started = now
        self._restarts = -1
        self._steady_since: float | None = None
        self._was_paired = False
        self.why = "it has not answered yet"

    def see(self, now: float, seen: Seen | None, starts: int = 0) -> Verdict | None:
        """An observation, None if the node did not answer; `starts`: again, by systemd.

        Once paired, a peer that goes away speaks against the peer: to throw away then what this
        node has would be a second fault.
        """
        steady = self._steady(now, seen)
        if seen is not None:
            self._was_paired |= seen.mode == "paired"
        if seen is not None and seen.version != self._version:
            return self._bad(f"release {seen.version} answers, not {self._version}")
        if starts >= _RESTARTS or (seen is not None and seen.worst >= _RESTARTS):
            return self._bad("it ends again and again")
        if steady and (self._was_paired or not self._must_pair):
            return Verdict.GOOD
        waited = now - self._started
        if not steady and waited > (PAIRED if self._was_paired else READY):
            return self._bad(self.why)
        if steady and waited > PAIRED:
            return self._bad("it is not paired again")
        return None

    def _steady(self, now: float, seen: Seen | None) -> bool:
        if seen is None or not seen.ready or seen.restarts != self._restarts:
            self.why = "it does not answer" if seen is None else "not all services are ready"
            self._steady_since = None
        if seen is None:
            return False
        self._restarts = seen.restarts
        if not seen.ready:
            return False
        if self._steady_since is None:
            self._steady_since = now
        if now - self._steady_since < STEADY:
            self.why = "its services have not run for long enough"
            return False
        return True

    def _bad(self, why: str) -> Verdict:
        self.why = why
        return Verdict.BAD
