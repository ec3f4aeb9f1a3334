"""A spool in memory, as delivery sees it: no durability, but the contract of `Work`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from appliance.delivery.source import Rooms
from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import QueueId, queue_id
from appliance.mail.work import (
    AttemptId,
    Lease,
    LeasedRecipient,
    NewMessage,
    Outcome,
    RecipientOutcome,
    Result,
)
from tests.support.patience import patiently

INLINE_LIMIT = 256 * 1024
TAG = "T" * 10


class MemoryContent:
    """A ContentReader over a dict; `reads` counts blocks of large content handed out."""

    def __init__(self) -> None:
        self.bodies: dict[QueueId, bytes] = {}
        self.reads = 0

    def read(self, queue_id: QueueId) -> bytes | None:
        body = self.bodies.get(queue_id)
        return body if body is not None and len(body) <= INLINE_LIMIT else None

    def chunks(self, queue_id: QueueId, size: int = 65536) -> Iterator[bytes]:
        body = self.bodies[queue_id]
        for start in range(0, len(body), size):
            self.reads += 1
            yield body[start : start + size]


def message(token: str, size: int = 0, line: bytes = b"x" * 76) -> bytes:
    """Content with an X-Token field, of about `size` bytes."""
    head = f"X-Token: {token}\r\nSubject: test {token}\r\n\r\n".encode()
    return head + (line + b"\r\n") * (max(0, size - len(head)) // (len(line) + 2))


def envelope(sender: str, *recipients: str | Recipient) -> Envelope:
    return Envelope(sender, tuple(Recipient(r) if isinstance(r, str) else r for r in recipients))


class MemoryWork:
    """Leases what was added; deferred recipients come back when `due` is called.

    `lose()` makes every call raise ConnectionError until `find()`. `fence` is what `may_send`
    answers while the spool is not lost.
    """

    def __init__(self) -> None:
        self.content = MemoryContent()
        self.outcomes: dict[AttemptId, Outcome] = {}
        self.repeated = 0
        """Outcomes reported again though they had been acknowledged."""
        self.notifications: list[NewMessage] = []
        self.presented: list[list[AttemptId]] = []
        self.pulls: list[frozenset[str]] = []
        """The `blocked` argument of every call of `leases`."""
        self.open: dict[AttemptId, Lease] = {}
        self.doubtful: set[AttemptId] = set()
        self.fence = True
        self.lost = False
        self.drop_acknowledgement = False
        """Lose the spool right after it has taken the next report."""
        self.due: dict[str, deque[Lease]] = {}
        self._changed = asyncio.Condition()
        self._call = 0
        self._messages = 0
        self._attempts = 0

    def add(
        self,
        content: bytes,
        envelope: Envelope,
        *,
        age: int = 0,
        tries: int = 0,
        delay_notified: bool = False,
        redirected: dict[int, str] | None = None,
        bulk: bool = False,
    ) -> QueueId:
        """Queue a message: one lease for each domain of its recipients."""
        self._messages += 1
        name = queue_id(TAG, self._messages)
        self.content.bodies[name] = content
        domains: dict[str, list[LeasedRecipient]] = {}
        for index, recipient in enumerate(envelope.recipients):
            address = (redirected or {}).get(index, recipient.address)
            leased = LeasedRecipient(index, address, tries, delay_notified)
            domains.setdefault(domain_key(address), []).append(leased)
        for recipients in domains.values():
            self._attempts += 1
            attempt = AttemptId(b"i" * 16, self._attempts)
            self._queue(Lease(attempt, name, envelope, tuple(recipients), len(content), age, bulk))
        return name

    async def wake(self) -> None:
        """Tell waiting calls that something was added, lost or found."""
        async with self._changed:
            self._changed.notify_all()

    async def lose(self) -> None:
        self.lost = True
        await self.wake()

    async def find(self) -> None:
        self.lost = False
        await self.wake()

    async def present(self, attempts: Sequence[AttemptId]) -> None:
        self._check()
        self.presented.append(list(attempts))
        gone = set(self.open) - set(attempts)
        self.doubtful |= gone
        for attempt in gone:
            self._queue(self.open.pop(attempt))

    async def leases(self, limit: int, blocked: Sequence[str], rooms: Rooms) -> Sequence[Lease]:
        self._check()
        self._call += 1
        call = self._call
        self.pulls.append(frozenset(blocked))
        taken: list[Lease] = []
        async with self._changed:
            self._changed.notify_all()
            while limit and self._call == call and not self.lost:
                taken = self._take(limit, blocked, rooms)
                if taken:
                    break
                await self._changed.wait()
        self._check()
        return taken

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        # A turn of the loop: what a real spool needs for its commit.
        await asyncio.sleep(0)
        self._check()
        for outcome in outcomes:
            if outcome.attempt in self.outcomes:
                self.repeated += 1
                continue
            self.open.pop(outcome.attempt, None)
            self.outcomes[outcome.attempt] = outcome
            self.notifications += outcome.notifications
        if self.drop_acknowledgement:
            self.drop_acknowledgement = False
            self.lost = True
        await self.wake()
        self._check()

    def may_send(self, lease: Lease) -> bool:
        return self.fence and not self.lost

    async def reported(self, count: int) -> None:
        """Wait for that many outcomes."""
        async with self._changed:
            await patiently(self._changed.wait_for(lambda: len(self.outcomes) >= count))

    async def pulled(self, count: int) -> None:
        """Wait for that many calls of `leases`."""
        async with self._changed:
            await patiently(self._changed.wait_for(lambda: len(self.pulls) >= count))

    async def pulled_without(self, blocked: Collection[str]) -> None:
        """Wait until the last call of `leases` named just these."""
        async with self._changed:
            await patiently(self._changed.wait_for(lambda: self.pulls[-1:] == [blocked]))

    def results(self) -> list[RecipientOutcome]:
        """Every recipient's outcome, in the order of attempts, then of the envelope."""
        return [
            recipient
            for _, outcome in sorted(self.outcomes.items(), key=lambda item: item[0])
            for recipient in sorted(outcome.recipients, key=lambda recipient: recipient.index)
        ]

    def count(self, result: Result) -> int:
        return sum(r.result is result for r in self.results())

    def _check(self) -> None:
        if self.lost:
            raise ConnectionError("the spool is lost")

    def _queue(self, lease: Lease) -> None:
        domain = domain_key(lease.recipients[0].address)
        self.due.setdefault(domain, deque()).append(lease)

    def _take(self, limit: int, blocked: Collection[str], rooms: Rooms) -> list[Lease]:
        taken: list[Lease] = []
        room = {domain: place for place, (_, domains) in enumerate(rooms) for domain in domains}
        left = [count for count, _ in rooms]
        for domain, queue in list(self.due.items()):
            if domain in blocked:
                continue
            place = room.get(domain)
            while queue and len(taken) < limit and (place is None or left[place] > 0):
                if place is not None:
                    left[place] -= 1
                lease = queue.popleft()
                taken.append(lease)
                self.open[lease.attempt] = lease
            if not queue:
                del self.due[domain]
        return taken


def lease(
    content: bytes, sender: str = "a@from.test", recipients: Iterable[str] = ("b@to.test",)
) -> tuple[Lease, MemoryContent]:
    """One lease with its content, for tests below the agent."""
    work = MemoryWork()
    work.add(content, envelope(sender, *recipients))
    (queue,) = work.due.values()
    return queue[0], work.content
