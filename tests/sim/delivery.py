"""The delivery process of a simulated node: attempts leases, keeps outcomes until acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import (
    AttemptId,
    Lease,
    NewMessage,
    Outcome,
    RecipientOutcome,
    Result,
)
from appliance.spool.operations import Present, Report, Want
from tests.sim.clock import Clock
from tests.sim.world import Sink

FENCE_TTL = 20_000
_OK, _LATER = Reply(250, "2.0.0", "ok"), Reply(450, "4.2.0", "later")
_NEVER = Reply(550, "5.1.1", "never")


class Delivery:
    """One start of the delivery process. `submit` is None while the spool is away."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        sink: Sink,
        content: Callable[[str], bytes],
    ) -> None:
        self._clock, self._rng, self._sink, self._content = clock, rng, sink, content
        self.alive = True
        self.submit: Callable[[object], None] | None = None
        self.renewed_at = 0
        self.open: dict[AttemptId, Lease] = {}
        self.outcomes: dict[AttemptId, Outcome] = {}
        self._revoked: set[AttemptId] = set()

    def connect(self, submit: Callable[[object], None]) -> None:
        """The spool is there (again): present what is under way before anything else."""
        self.submit = submit
        submit(Present(("present", self), frozenset(self.open)))

    def disconnect(self) -> None:
        """The spool went away."""
        self.submit = None

    def presented(self, invalid: frozenset[AttemptId]) -> None:
        """The spool knows our leases; repeat what it may not have got, and ask for more."""
        self._revoked |= invalid
        if self.outcomes:
            self._report()
        self._want()

    def _want(self) -> None:
        if self.submit and self.alive:
            self.submit(Want(("lease", self), self._rng.choice([1, 5, 20])))

    def leased(self, leases: list[Lease]) -> None:
        """New work."""
        for lease in leases:
            self.open[lease.attempt] = lease
            self._clock.after(self._rng.randint(0, 40), lambda one=lease: self._data(one))
        self._clock.after(self._rng.randint(1, 30), self._want)

    def revoke(self, attempts: frozenset[AttemptId]) -> None:
        """These must not be begun any more."""
        self._revoked |= attempts

    def _may_send(self, lease: Lease) -> bool:
        fresh = self._clock.now - self.renewed_at < FENCE_TTL
        return self.submit is not None and lease.attempt not in self._revoked and fresh

    def _data(self, lease: Lease) -> None:
        if not self.alive:
            return
        told, notifications = list[RecipientOutcome](), list[NewMessage]()
        may = self._may_send(lease)
        content = self._content(lease.queue_id) if may else b""
        for recipient in lease.recipients:
            told.append(self._attempt(recipient.index, recipient.address, content, may))
        failed = [t for t in told if t.result is Result.BOUNCED]
        if failed and lease.envelope.sender:
            envelope = Envelope("", (Recipient(lease.envelope.sender),))
            notifications.append(NewMessage(envelope, b"DSN " + content))
        outcome = Outcome(lease.attempt, lease.queue_id, tuple(told), tuple(notifications))
        self._clock.after(self._rng.randint(0, 60), lambda: self._ended(outcome))

    def _attempt(self, index: int, address: str, content: bytes, may: bool) -> RecipientOutcome:
        if not may:
            return RecipientOutcome(index, Result.CANCELLED, _LATER, retry_in=500)
        if address.startswith("box"):
            return RecipientOutcome(index, Result.DELIVERED, _OK, "mailbox", mailbox=address)
        match self._sink.offer(content, address):
            case "ok":
                return RecipientOutcome(index, Result.DELIVERED, _OK, "sink")
            case "never":
                return RecipientOutcome(index, Result.BOUNCED, _NEVER, "sink")
        return RecipientOutcome(
            index, Result.DEFERRED, _LATER, "sink", retry_in=self._rng.randint(1000, 20000)
        )

    def _ended(self, outcome: Outcome) -> None:
        if self.alive:
            self.outcomes[outcome.attempt] = outcome
            self._report()

    def _report(self) -> None:
        if self.submit:
            batch = list(self.outcomes.values())
            self.submit(Report(("report", self, batch), batch))

    def reported(self, batch: list[Outcome]) -> None:
        """The spool has them durably."""
        for outcome in batch:
            self.outcomes.pop(outcome.attempt, None)
            self.open.pop(outcome.attempt, None)
