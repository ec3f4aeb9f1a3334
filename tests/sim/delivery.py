"""The delivery process of a simulated node: attempts leases, keeps outcomes until acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Protocol

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import (
    AttemptId,
    Lease,
    LeasedRecipient,
    NewMessage,
    Outcome,
    RecipientOutcome,
    Result,
)
from appliance.spool.operations import Cancel, Operation, Present, Report, Want
from tests.sim.clock import Clock
from tests.sim.world import Sink

FENCE = 10_000  # must be shorter than any adopt_delay
_OK, _LATER = Reply(250, "2.0.0", "ok"), Reply(450, "4.2.0", "later")
_NEVER = Reply(550, "5.1.1", "never")


@dataclass(frozen=True, eq=False)
class Then:
    """The token of a request: what to do with the answer."""

    take: Callable[[Any], None]


class Machine(Protocol):
    """What a process knows of the machine it runs on."""

    name: str

    @property
    def paused_until(self) -> int:
        """While the machine stands still, so do its processes."""

    def content(self, queue_id: str) -> bytes: ...
    def submit(self, operation: Operation) -> None: ...


class Delivery:
    """One start of the delivery process. `submit` is None while the spool is away."""

    def __init__(self, clock: Clock, rng: Random, sink: Sink, machine: Machine) -> None:
        self._clock, self._rng, self._sink, self._machine = clock, rng, sink, machine
        self.alive = True
        self.submit: Callable[[Operation], None] | None = None
        self.renewed_at = 0
        self.open: dict[AttemptId, Lease] = {}
        self.outcomes: dict[AttemptId, Outcome] = {}
        self._revoked: set[AttemptId] = set()
        self._asking = False

    def connect(self, submit: Callable[[Operation], None]) -> None:
        """The spool is there (again): present what is under way before anything else."""
        self.submit = submit
        self.renewed_at = self._clock.now
        submit(Present(Then(self._presented), frozenset(self.open)))

    def disconnect(self) -> None:
        """The spool went away."""
        self.submit = None
        self._asking = False

    def _presented(self, invalid: frozenset[AttemptId]) -> None:
        """The spool knows our leases; repeat what it may not have got, and ask for more."""
        if self.submit is None:
            return
        self._revoked |= invalid
        if self.outcomes:
            self._report()
        self._want()

    def _want(self) -> None:
        if self.submit and self.alive and not self._asking:
            self._asking = True
            self.submit(Want(Then(self._leased), self._rng.choice([1, 5, 20])))

    def _leased(self, leases: list[Lease]) -> None:
        """New work."""
        if self.submit is None:
            if leases:
                self._machine.submit(Cancel(leases))
            return
        self._asking = False
        for lease in leases:
            self.open[lease.attempt] = lease
            self._clock.after(self._sink.wait(), partial(self._data, lease))
        self._clock.after(self._rng.randint(1, 30), self._want)

    def revoke(self, attempts: frozenset[AttemptId]) -> None:
        """These must not be begun any more."""
        self._revoked |= attempts

    def may_send(self, lease: Lease) -> bool:
        """The fence before DATA: connected, not revoked, renewed lately."""
        fresh = self._clock.now - self.renewed_at < FENCE
        return self.submit is not None and lease.attempt not in self._revoked and fresh

    def _data(self, lease: Lease) -> None:
        if not self.alive:
            return
        if (wait := self._machine.paused_until - self._clock.now) > 0:
            self._clock.after(wait, lambda: self._data(lease))
            return
        may = self.may_send(lease)
        content = self._machine.content(lease.queue_id) if may else b""
        told = tuple([self._attempt(one, content, may) for one in lease.recipients])
        notifications = list[NewMessage]()
        if lease.envelope.sender and any(t.result is Result.BOUNCED for t in told):
            envelope = Envelope("", (Recipient(lease.envelope.sender),))
            notifications.append(NewMessage(envelope, b"DSN " + content))
        outcome = Outcome(lease.attempt, lease.queue_id, told, tuple(notifications))
        self._clock.after(self._rng.randint(0, 60), lambda: self._ended(outcome))

    def _attempt(self, leased: LeasedRecipient, content: bytes, may: bool) -> RecipientOutcome:
        index, address = leased.index, leased.address
        if not may:
            return RecipientOutcome(index, Result.CANCELLED, _LATER, retry_in=500)
        if address.startswith("box"):
            return RecipientOutcome(index, Result.DELIVERED, _OK, "mailbox", mailbox=address)
        match self._sink.offer(content, address, self._machine.name):
            case "ok":
                return RecipientOutcome(index, Result.DELIVERED, _OK, "sink")
            case "never":
                return RecipientOutcome(index, Result.BOUNCED, _NEVER, "sink")
        retry_in = self._rng.randint(1000, 20000)
        return RecipientOutcome(index, Result.DEFERRED, _LATER, "sink", retry_in=retry_in)

    def _ended(self, outcome: Outcome) -> None:
        if self.alive:
            self.outcomes[outcome.attempt] = outcome
            self._report()

    def _report(self) -> None:
        if self.submit:
            batch = list(self.outcomes.values())
            self.submit(Report(Then(lambda _: self._reported(batch)), batch))

    def _reported(self, batch: list[Outcome]) -> None:
        """The spool has them durably."""
        for outcome in batch:
            self.outcomes.pop(outcome.attempt, None)
            self.open.pop(outcome.attempt, None)
