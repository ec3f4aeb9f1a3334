"""Giving everything to the peer in order (rule 5): nothing is in doubt afterwards.

While this node *gives*, it leases nothing, and delivery gives back what it has not begun. Once no
lease is open, one record makes the peer the owner of everything.

It gives because it was asked once (`HandOver`), or while it stands `aside`: in maintenance, without
a carrier, without a delivery process. It never gives unless the pair is paired and the peer takes:
a node whose peer cannot deliver delivers. Times are milliseconds of a monotonic clock.
"""

from __future__ import annotations

from appliance.mail.reply import Refused, Reply
from appliance.replica.pair import Mode, Pair
from appliance.spool.leasing import Leasing
from appliance.spool.operations import (
    CallOff,
    Done,
    Effect,
    Failed,
    HandOver,
    Happened,
    StandAside,
)
from appliance.spool.replication import Replication
from appliance.spool.store import Store

_AGAIN = 10_000
"""How often a node that stands aside gives what it has accepted since: each claim cuts lanes."""


class Handover:
    """Says when a claim for the peer is to be written."""

    def __init__(
        self, store: Store, pair: Pair, replication: Replication, leasing: Leasing
    ) -> None:
        self._store = store
        self._pair = pair
        self._replication = replication
        self._leasing = leasing
        self._request: HandOver | None = None
        self._deadline = 0
        self._look_at: int | None = None
        """When `step` has something to look at, None if never."""
        self.aside = False

    @property
    def giving(self) -> bool:
        """True while nothing may be leased, for the peer is to do it."""
        wanted = self.aside or self._request is not None
        return wanted and not self._refusal()

    def take(self, operation: HandOver | CallOff | StandAside, now: int) -> list[Effect]:
        """What is wanted from now on; `step` does it, and answers a request to give once.

        One that waits is refused for the sake of a new one.
        """
        match operation:
            case HandOver():
                said = self._fail("another request took its place")
                self._request, self._deadline = operation, now + operation.patience
            case CallOff():
                said = self._fail("it was called off")
            case StandAside():
                if self.aside is operation.aside:
                    return []
                self.aside = operation.aside
                said = [Happened("standing_aside", {"on": self.aside})]
        self._look_at = 0
        return said

    def wrote(self) -> None:
        """A turn wrote something: it may have ended the last lease."""
        if self._request is not None:
            self._look_at = 0

    def next_timer(self, now: int) -> int | None:
        """When `step` is due, None if nothing waits for it."""
        return now if self.giving is not self._leasing.paused else self._look_at

    def step(self, now: int, running: int) -> tuple[bytes | None, list[Effect]]:
        """At the beginning of a turn: the peer if all is to be given to it now, and what is said.

        `taken` must follow the claim.
        """
        said: list[Effect] = []
        due = self.next_timer(now)
        if due is None or due > now:
            return None, said
        if self._request is not None and (refusal := self._refusal()):
            said += self._fail(refusal)
        said += self._leasing.pause(self.giving)
        self._look_at = None
        if not self.giving:
            return None, said
        late = self._request is not None and now >= self._deadline
        if late and self._request and self._request.force and self._peer is not None:
            self._leasing.write_off(lambda a: not self._leasing.leased_here(a), running)
            return self._peer, said
        if self._peer is None or self._leasing.open_here():
            if late:
                said += self._fail("deliveries are under way")
                said += self._leasing.pause(self.giving)
            self._look_at = now + _AGAIN if self._request is None else self._deadline
        elif self._request is not None or self._store.owes():
            return self._peer, said
        else:
            self._look_at = now + _AGAIN
        return None, said

    def taken(self, now: int) -> Done | None:
        """The claim is written: the answer to give once both nodes hold it."""
        request, self._request = self._request, None
        self._look_at = now + _AGAIN if self.aside else None
        return Done(request.token) if request else None

    @property
    def _peer(self) -> bytes | None:
        hello = self._replication.peer
        return hello.node if hello else None

    def _refusal(self) -> str:
        if self._pair.mode is not Mode.PAIRED:
            return "the pair is not paired"
        if not self._replication.peer_takes:
            return "the other node does not take it: it stands aside itself"
        return ""

    def _fail(self, why: str) -> list[Effect]:
        request, self._request = self._request, None
        if request is None:
            return []
        hint = "wait until `twinpost status` says paired, and see what delivery is doing"
        return [Failed(request.token, Refused(Reply(450, "4.3.0", why), hint))]
