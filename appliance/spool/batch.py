"""What one turn writes in one segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from appliance.mail.work import AttemptId, Lease, Outcome, Result
from appliance.replica.record import Record
from appliance.spool.operations import Accept, Command, Present, SiteOperation
from appliance.spool.owner import Owner

_OPERATIONS = 256
_BYTES = 4 << 20


class Batch:
    """Gathers the records of operations that need not see what others of the turn wrote."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.records: list[Record] = []
        self.contents: dict[str, bytes] = {}
        self.after: list[Command | Present | SiteOperation] = []
        """What has to see what this turn wrote."""
        self.results = Counter[Result]()
        """How many recipients came to which end, by these outcomes."""
        self._reported: set[AttemptId] = set()
        self._operations = 0
        self._size = 0

    @property
    def full(self) -> bool:
        """True if the next operation waits for the next turn: a segment fits into one frame."""
        return self._operations >= _OPERATIONS or self._size >= _BYTES

    def begin(self) -> None:
        """One operation more."""
        self._operations += 1

    def accept(self, accept: Accept) -> None:
        """A message from outside."""
        self.records.append(self._owner.accepted(accept))
        if accept.body is None and accept.content is not None:
            self._put({accept.queue_id: accept.content})

    def cancel(self, leases: Sequence[Lease]) -> None:
        """Leases that delivery never got."""
        self.records += [self._owner.cancelled(lease) for lease in leases]

    def report(self, outcomes: Sequence[Outcome], running: int) -> list[str]:
        """Outcomes of attempts, each told once; why some cannot be taken in."""
        refused = []
        for outcome in outcomes:
            if outcome.attempt in self._reported:
                continue
            self._reported.add(outcome.attempt)
            try:
                records, contents = self._owner.outcome(outcome, running)
            except (LookupError, ValueError) as error:
                refused.append(str(error))
                continue
            if records:
                self.results.update([one.result for one in outcome.recipients])
            self.records += records
            self._put(contents)
        return refused

    def _put(self, contents: dict[str, bytes]) -> None:
        self.contents |= contents
        self._size += sum(map(len, contents.values()))
