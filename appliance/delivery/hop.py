"""One destination: what waits for it, and the workers that send it, one connection each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from appliance.config.delivery import DeliverySettings
from appliance.delivery.errand import Job
from appliance.delivery.pool import Pool
from appliance.delivery.slots import Slots
from appliance.delivery.smtp import ConnectFailed, Session
from appliance.delivery.throttle import Throttle
from appliance.delivery.transaction import Ending, Strain, Transaction
from appliance.mail.reply import Reply
from appliance.mail.work import LeasedRecipient, Result

GIVEN_BACK = Ending(Result.CANCELLED, Reply(451, "4.3.2", "not this node's any more: not tried"))
STOPPED = Ending(Result.CANCELLED, Reply(451, "4.3.2", "delivery stops: not tried"))
_MAX_DOMAINS = 1000  # remembered a hop, to be named in `Work.leases`


class HopOwner(Protocol):
    """Decides what the hop can't know. Each recipient of a job comes to exactly one end."""

    def ended(
        self,
        job: Job,
        recipients: Sequence[LeasedRecipient],
        endings: Sequence[Ending],
        session: Session | None,
    ) -> None:
        """`recipients` came to these ends; `session` is None if none had a part in it."""

    def suspended(self, job: Job, hop: Hop) -> bool:
        """End `job`, which is not tried now; True if the message's time for a decision had come."""

    def failed(self, job: Job, error: Exception) -> None:
        """End `job`, which failed in a way that no reply explains."""

    def changed(self, hop: Hop) -> None:
        """`hop.blocked` is not what it was."""

    def rested(self, hop: Hop, reply: Reply | None) -> None:
        """A rest began because of `reply`, or a time of trouble ended (None)."""


class Hop:
    """Sends jobs to one destination. All times are of `clock`, in seconds."""

    def __init__(
        self,
        name: str,
        pool: Pool,
        throttle: Throttle,
        slots: Slots,
        owner: HopOwner,
        settings: DeliverySettings,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.throttle = throttle
        self.blocked = False
        """Whether no more jobs are wanted for now."""
        self._domains: dict[str, None] = {}
        self._pool = pool
        self._slots = slots
        self._owner = owner
        self._patience = settings.patience.seconds
        self._clock = clock
        self._waiting: deque[Job] = deque()
        self._workers: dict[asyncio.Task[None], Session | None] = {}
        self._active = 0
        self._full = False
        self._was_full = False
        self._settling = False

    @property
    def rest(self) -> float:
        """Seconds until it may be tried again; 0 if it may now."""
        return self.throttle.rest(self._clock())

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not (self._waiting or self._workers or len(self._pool)) and self.throttle.fresh

    @property
    def domains(self) -> Sequence[str]:
        """Recipient domains all of whose mail goes here, as far as it was seen."""
        return list(self._domains)

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings, and perhaps another routing table: what leads here is learnt anew."""
        self._patience = settings.patience.seconds
        self._pool.configure(settings.idle_timeout.seconds)
        self.throttle.configure(settings)
        self._domains.clear()

    def serves(self, domain: str) -> None:
        """All mail for `domain` goes here."""
        if domain not in self._domains and len(self._domains) < _MAX_DOMAINS:
            self._domains[domain] = None

    def add(self, job: Job) -> None:
        """Send it when its turn comes."""
        if self.rest and not self._active:
            # A hop at rest is asked no connection for each message. As long as what comes is
            # old enough to be decided upon (warned of, returned), more of it is wanted.
            self._settling = self._owner.suspended(job, self)
        else:
            self._waiting.append(job)
            self._pump()
        self._update()

    def sweep(self) -> None:
        """What time brings about: to be called about once a second."""
        now = self._clock()
        self._pool.sweep(now)
        self._give_back()
        if self._waiting and now - self._waiting[0].errand.since > self._patience:
            self.throttle.stalled()
            while self._waiting and now - self._waiting[0].errand.since > self._patience:
                self._owner.suspended(self._waiting.popleft(), self)
        self._pump()
        self._update()

    def _give_back(self) -> None:
        """End what waits though this node may not send it any more: its peer waits for it."""
        closed = [job for job in self._waiting if not job.errand.fence()]
        if closed:
            self._waiting = deque(job for job in self._waiting if job.errand.fence())
            for job in closed:
                self._end(job, GIVEN_BACK)

    def stop(self, ending: Ending) -> None:
        """End what waits; what is under way goes on."""
        while self._waiting:
            self._end(self._waiting.popleft(), ending)
        self._pool.close()

    def abort(self) -> None:
        """Break off what is under way."""
        for worker, session in list(self._workers.items()):
            if session is None:
                worker.cancel()  # it connects, or waits for a slot: nothing was said yet
            else:
                session.abort()

    def _pump(self) -> None:
        for _ in range(min(self.throttle.limit - len(self._workers), len(self._waiting))):
            if self.rest:
                break
            self._workers[asyncio.get_running_loop().create_task(self._work())] = None

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._slots.take()
            try:
                while self._waiting and len(self._workers) <= self.throttle.limit and not self.rest:
                    await self._attempt(self._waiting.popleft(), task)
                    if self._slots.wanted:
                        break
            finally:
                self._slots.give()
        finally:
            del self._workers[task]
            self._pump()
            self._update()

    async def _attempt(self, job: Job, task: asyncio.Task[None]) -> None:
        self._active += 1
        try:
            while job.recipients:
                await self._transact(job, task)
        except ConnectFailed as failed:
            self._connect_failed(job, failed.reply)
        except asyncio.CancelledError:
            self._end(job, STOPPED)
            raise
        except Exception as error:
            # A sick disk, damaged content, a bug: mail stays queued whatever it is. Let out, it
            # would end this worker and leave the lease without an outcome for ever.
            self._owner.failed(job, error)
        finally:
            self._active -= 1
        self._after()

    def _connect_failed(self, job: Job, reply: Reply) -> None:
        if reply.permanent:
            self._end(job, Ending(Result.BOUNCED, reply))
            return
        open_sessions = len(self._pool) + sum(s is not None for s in self._workers.values())
        if open_sessions:
            # It takes mail, only not over so many connections: one of the others will send it.
            self.throttle.crowded(open_sessions, self._clock())
            self._waiting.appendleft(job)
        else:
            self._strained(Strain.DOWN, reply)
            self._end(job, Ending(Result.DEFERRED, reply))

    async def _transact(self, job: Job, task: asyncio.Task[None]) -> None:
        job.began, job.connected = self._clock(), None
        session = await self._pool.take()
        reused = session.transactions > 0
        transaction = await self._send(job, session, task)
        if reused and transaction.unheard:
            # It died while it was idle. Nothing of this message was heard: no attempt was made.
            session = await self._pool.fresh()
            transaction = await self._send(job, session, task)
        endings = transaction.endings
        if transaction.strain is not Strain.NONE:
            self._strained(transaction.strain, transaction.trouble)
        elif any(ending.result is not Result.CANCELLED for ending in endings):
            if self.throttle.succeeded(self._clock()):
                self._owner.rested(self, None)
        ends = list(zip(job.recipients, endings, strict=True))
        settled = [(recipient, ending) for recipient, ending in ends if not ending.again]
        self._owner.ended(job, [r for r, _ in settled], [e for _, e in settled], session)
        job.recipients = [recipient for recipient, ending in ends if ending.again]

    async def _send(self, job: Job, session: Session, task: asyncio.Task[None]) -> Transaction:
        self._workers[task] = session
        job.connected = self._clock()
        try:
            errand = job.errand
            return await session.send(errand.lease, job.recipients, errand.content, errand.fence)
        finally:
            self._workers[task] = None
            self._pool.give(session, self._clock())

    def _end(self, job: Job, ending: Ending) -> None:
        """The same end for all that are left, without a session having had a part in it."""
        recipients, job.recipients = job.recipients, ()
        self._owner.ended(job, recipients, [ending] * len(recipients), None)

    def _strained(self, strain: Strain, reply: Reply) -> None:
        if self.throttle.strained(strain, reply, self._clock()):
            self._owner.rested(self, reply)

    def _after(self) -> None:
        """A job has ended: what does that mean for those that wait?"""
        if self.rest and not self._active:
            while self._waiting:
                self._settling = self._owner.suspended(self._waiting.popleft(), self)
        elif not self._waiting and self._was_full:
            self._was_full = False
            self.throttle.drained()
        if len(self._workers) < self.throttle.limit:
            self._pump()
        self._update()

    def _update(self) -> None:
        in_hand = len(self._waiting) + self._active
        if in_hand >= self.throttle.window:
            self._full = self._was_full = True
        elif in_hand <= self.throttle.window // 2:
            self._full = False
        blocked = self._full or (self.rest > 0 and not self._settling)
        if blocked is not self.blocked:
            self.blocked = blocked
            self._owner.changed(self)
