"""The leases of this node: who asked for work, what may be given out, what is written off."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from appliance.mail.work import AttemptId
from appliance.replica.pair import Pair
from appliance.replica.record import Attempt, Record
from appliance.spool.operations import Done, Effect, Happened, Present, Revoke, Want
from appliance.spool.owner import Owner
from appliance.spool.store import Store

Write = Callable[[Sequence[Record], Mapping[str, bytes], int], int]


class Leasing:
    """Gives out leases to the delivery process that has presented what it works on."""

    def __init__(self, store: Store, owner: Owner, pair: Pair, write: Write) -> None:
        self._store = store
        self._owner = owner
        self._pair = pair
        self._write = write
        self._wants: deque[Want] = deque()
        self._presented = False
        self._kept: set[Attempt] = set()
        """Attempts of earlier starts that delivery still works on."""
        self._stale = False
        self.paused = False
        """True while nothing is given out, for the peer is to do it."""
        self._allowed: dict[int, bool] = {}
        self._asked_anew = False
        """A wish came since the last turn: it may let through what others left parked."""

    def want(self, want: Want) -> list[Effect]:
        """A wish for work. It replaces one that waits: what is blocked may have changed."""
        said: list[Effect] = [Done(one.token, []) for one in self._wants]
        self._wants.clear()
        if want.limit > 0:
            self._wants.append(want)
            self._asked_anew = True
        else:
            said.append(Done(want.token, []))
        return said

    def busy(self, running: int) -> bool:
        """True if a turn would find something to do."""
        if self._stale:
            return True
        if self._idle:
            return False
        if self._asked_anew and self._store.scheduler.parked:
            return True
        wake = self._store.scheduler.next_wake()
        return wake is not None and wake <= running

    def next_wake(self) -> int | None:
        """The running time at which something that is wanted is due."""
        return None if self._idle else self._store.scheduler.next_wake()

    def pause(self, paused: bool) -> list[Effect]:
        """Give out nothing, and take back what was not begun; or go on."""
        if paused is self.paused:
            return []
        self.paused = paused
        attempts = self._owner.leases_of(self.leased_here) if paused else frozenset()
        return [Revoke(attempts)] if attempts else []

    def open_here(self) -> bool:
        """True while an attempt of this node may be under way."""
        return bool(self._owner.leases_of(self.leased_here))

    def present(self, present: Present, running: int) -> list[Effect]:
        """Delivery is there: what this node leased and it does not name is in doubt."""
        self._presented = True
        self._kept = {Attempt(a.incarnation, a.seq) for a in present.attempts}
        records = self._owner.write_offs(lambda a: not self.leased_here(a) or a in self._kept)
        said: list[Effect] = [Done(present.token, self._owner.invalid(present.attempts))]
        if records:
            self._write(records, {}, running)
            said.append(Happened("leases_in_doubt", {"count": len(records)}))
        return said

    def synced(self) -> None:
        """The peer may have given back leases that this node lost with its last commit.

        Delivery had presented what it holds before they came: nobody works on them.
        """
        self._allowed.clear()
        self._stale = self._presented

    def write_off_stale(self, running: int) -> None:
        """See `synced`; in the turn after it."""
        if self._stale:
            self._stale = False
            self.write_off(lambda a: not self.leased_here(a) or self.worked_on(a), running)

    def write_off(self, keep: Callable[[Attempt], bool], running: int) -> None:
        """Declare open attempts in doubt, but for those to `keep`."""
        records = self._owner.write_offs(keep)
        if records:
            self._write(records, {}, running)

    def leased_here(self, attempt: Attempt) -> bool:
        """True if this node made the attempt, in whichever start."""
        return self._store.ownership.nodes.get(attempt.incarnation) == self._store.node

    def worked_on(self, attempt: Attempt) -> bool:
        """True if it is of this start, or delivery has presented it."""
        return attempt.incarnation == self._store.incarnation or attempt in self._kept

    def ownership_changed(self) -> list[Effect]:
        """Look again at what may be leased; take back what is another's now."""
        self._allowed.clear()
        attempts: frozenset[AttemptId] = self._owner.foreign_leases()
        return [Revoke(attempts)] if attempts else []

    def lease(self, running: int) -> Done | None:
        """What is due for the wish that waits, journalled; the answer to give once durable."""
        self._asked_anew = False
        if self._idle:
            return None
        want = self._wants[0]
        chosen = self._owner.leases(running, want.limit, self._may_lease, want.blocked, want.rooms)
        if not chosen:
            return None
        self._wants.popleft()
        first = self._write([record for record, _ in chosen], {}, running)
        leases = [
            self._owner.lease(record, entry, first + i, running)
            for i, (record, entry) in enumerate(chosen)
        ]
        return Done(want.token, leases)

    @property
    def _idle(self) -> bool:
        return self.paused or not self._presented or not self._wants

    def _may_lease(self, lane_id: int) -> bool:
        """The fence: only what this node owns, and before it is synced only what is new."""
        allowed = self._allowed.get(lane_id)
        if allowed is None:
            lane = self._store.lanes.get(lane_id)
            fresh = self._store.journal.by_idx[lane.inc].id == self._store.incarnation
            allowed = (self._pair.synced or fresh) and self._store.mine(lane)
            self._allowed[lane_id] = allowed
        return allowed
