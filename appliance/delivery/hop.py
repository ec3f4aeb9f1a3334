"""One destination: what waits for it, and the workers that send it, one connection each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from appliance.config.delivery import DeliverySettings
from appliance.delivery.errand import Job
from appliance.delivery.gate import Figures
from appliance.delivery.line import Line
from appliance.delivery.relays import Member, Relays
from appliance.delivery.slots import Slots
from appliance.delivery.smtp import ConnectFailed, Session
from appliance.delivery.transaction import Ending, Strain, Transaction
from appliance.delivery.window import Window
from appliance.mail.reply import Reply
from appliance.mail.route import Route
from appliance.mail.work import LeasedRecipient, Result

GIVEN_BACK = Ending(Result.CANCELLED, Reply(451, "4.3.2", "not this node's any more: not tried"))
STOPPED = Ending(Result.CANCELLED, Reply(451, "4.3.2", "delivery stops: not tried"))
_AT_A_LOOK = 16  # messages of a paused next hop
_SOON = 0.8  # of the patience: a limit is no reason to give mail back
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

    def rested(self, member: Member, reply: Reply | None) -> None:
        """A rest began because of `reply`, or a time of trouble ended (None)."""


class Hop:
    """Sends jobs to one destination. All times are of `clock`, in seconds."""

    def __init__(
        self,
        route: Route,
        relays: Relays,
        slots: Slots,
        owner: HopOwner,
        settings: DeliverySettings,
        clock: Callable[[], float],
    ) -> None:
        self.route = route
        self.name = route.destination
        self.relays = relays
        self.window = Window(settings.leases_per_hop)
        self.blocked = False
        """Whether no more jobs are wanted for now."""
        self._domains: dict[str, None] = {}
        self._slots = slots
        self._owner = owner
        self._patience = settings.patience.seconds
        self._clock = clock
        self._waiting = Line()
        self._workers: dict[asyncio.Task[None], Session | None] = {}
        self._active = 0
        self._starting = 0
        """Workers that have not yet taken up a job."""
        self._full = False
        self._was_full = False
        self._settling = False

    @property
    def rest(self) -> float:
        """Seconds until it may be tried again; 0 if it may now."""
        return self.relays.rest(self._clock())

    @property
    def reason(self) -> Reply | None:
        """Why it rests."""
        return self.relays.reason(self._clock())

    @property
    def room(self) -> int | None:
        """How many more messages can be sent soon; None if a limit does not tell."""
        if self.relays.paused:
            return _AT_A_LOOK
        within = self.relays.within(_SOON * self._patience, self._clock())
        return None if within is None else max(0, within - len(self._waiting) - self._starting)

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        used = self._waiting or self._workers or self.relays.idle or self.blocked
        return not used and self.relays.fresh

    @property
    def domains(self) -> Sequence[str]:
        """Recipient domains all of whose mail goes here, as far as it was seen."""
        return list(self._domains)

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings, and perhaps another routing table: what leads here is learnt anew."""
        self._patience = settings.patience.seconds
        self.window.configure(settings.leases_per_hop)
        self.relays.configure(settings.idle_timeout.seconds)
        self._domains.clear()

    def lead(self, route: Route, relays: Relays) -> None:
        """Lead there from now on; what is under way ends where it began."""
        self.relays.forget(self._pump)
        self.route = route
        self.relays = relays

    def serves(self, domain: str) -> None:
        """All mail for `domain` goes here."""
        if domain not in self._domains and len(self._domains) < _MAX_DOMAINS:
            self._domains[domain] = None

    def add(self, job: Job) -> None:
        """Send it when its turn comes."""
        if self._shut:
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
        self.relays.sweep(now)
        # What this node may not send any more: its peer waits for it.
        for job in self._waiting.remove(lambda job: not job.errand.fence()):
            self._end(job, GIVEN_BACK)
        late = self._waiting.remove(lambda job: now - job.errand.since > self._patience)
        if late:
            self.window.stalled()
        for job in late:
            self._owner.suspended(job, self)
        self.resume()

    def resume(self) -> None:
        """Look again at what can be done now: a pause began or ended, a rest is over."""
        if self._shut:
            self._suspend()
        self._pump()
        self._update()

    def look(self) -> None:
        """If it is paused, take up some mail to see whether its time has come."""
        if self.relays.paused:
            self._settling = True
            self._update()

    def drop(self, domains: Collection[str]) -> None:
        """Give back what waits for these recipient domains."""
        for job in self._waiting.remove(lambda job: job.domain in domains):
            self._owner.suspended(job, self)
        self._update()

    def stop(self, ending: Ending) -> None:
        """End what waits; what is under way goes on."""
        while self._waiting:
            self._end(self._waiting.take(), ending)
        self.relays.close()

    def forget(self) -> None:
        """It is used no more."""
        self.relays.forget(self._pump)

    def abort(self) -> None:
        """Break off what is under way."""
        for worker, session in list(self._workers.items()):
            if session is None:
                worker.cancel()  # it connects, or waits for a slot: nothing was said yet
            else:
                session.abort()

    @property
    def _shut(self) -> bool:
        """Whether what comes is not to be sent now, but looked at."""
        return self.relays.paused or (self.rest > 0 and not self._active)

    def _suspend(self) -> None:
        while self._waiting:
            self._settling = self._owner.suspended(self._waiting.take(), self)

    def _pump(self) -> None:
        now = self._clock()
        while self._starting < len(self._waiting):
            member = self.relays.enter(now, self._pump)
            if member is None:
                break
            self._starting += 1
            work = self._work(member)
            self._workers[asyncio.get_running_loop().create_task(work)] = None

    async def _work(self, member: Member) -> None:
        task = asyncio.current_task()
        assert task is not None
        gate, started = member.gate, False
        try:
            await self._slots.take()
            try:
                self._starting -= 1
                started = True
                while self._waiting and gate.goes_on(self._clock()):
                    await self._attempt(self._waiting.take(), task, member)
                    if self._slots.wanted or gate.wanted(self._pump):
                        break
            finally:
                self._slots.give()
        finally:
            self._starting -= not started
            del self._workers[task]
            gate.leave()
            self._pump()
            self._update()

    async def _attempt(self, job: Job, task: asyncio.Task[None], member: Member) -> None:
        self._active += 1
        try:
            while job.recipients:
                await self._transact(job, task, member)
        except ConnectFailed as failed:
            self._connect_failed(job, failed.reply, member)
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

    def _connect_failed(self, job: Job, reply: Reply, member: Member) -> None:
        if reply.permanent:
            self._end(job, Ending(Result.BOUNCED, reply))
            return
        if member.open:
            # It takes mail, only not over so many connections: one of the others will send it.
            member.gate.throttle.crowded(member.open, self._clock())
            self._waiting.put_back(job)
            return
        self._strained(member, Strain.DOWN, reply)
        if self.relays.up(self._clock()):
            self._waiting.put_back(job)  # this was no attempt yet: there is another next hop
        else:
            self._end(job, Ending(Result.DEFERRED, reply))

    async def _transact(self, job: Job, task: asyncio.Task[None], member: Member) -> None:
        job.began, job.connected = self._clock(), None
        session, reused = await member.session()
        transaction = await self._send(job, session, task, member)
        if reused and transaction.unheard:
            # It died while it was idle. Nothing of this message was heard: no attempt was made.
            session = await member.fresh()
            transaction = await self._send(job, session, task, member)
        self._note(job, member.gate.figures)
        endings = transaction.endings
        if transaction.strain is not Strain.NONE:
            self._strained(member, transaction.strain, transaction.trouble)
        elif any(ending.result is not Result.CANCELLED for ending in endings):
            if member.succeeded(self._clock()):
                self._owner.rested(member, None)
        ends = list(zip(job.recipients, endings, strict=True))
        settled = [(recipient, ending) for recipient, ending in ends if not ending.again]
        self._owner.ended(job, [r for r, _ in settled], [e for _, e in settled], session)
        job.recipients = [recipient for recipient, ending in ends if ending.again]

    def _note(self, job: Job, figures: Figures) -> None:
        if job.began is None:
            return
        figures.took.note(self._clock() - job.began)
        if not job.recipients[0].tries:
            errand = job.errand
            figures.waited.note(errand.lease.age / 1000 + job.began - errand.since)

    async def _send(
        self, job: Job, session: Session, task: asyncio.Task[None], member: Member
    ) -> Transaction:
        self._workers[task] = session
        member.gate.sending += 1
        job.connected = self._clock()
        try:
            errand = job.errand
            return await session.send(errand.lease, job.recipients, errand.content, errand.fence)
        finally:
            self._workers[task] = None
            member.gate.sending -= 1
            member.pool.give(session, self._clock())

    def _end(self, job: Job, ending: Ending) -> None:
        """The same end for all that are left, without a session having had a part in it."""
        recipients, job.recipients = job.recipients, ()
        self._owner.ended(job, recipients, [ending] * len(recipients), None)

    def _strained(self, member: Member, strain: Strain, reply: Reply) -> None:
        if member.strained(strain, reply, self._clock()):
            self._owner.rested(member, reply)

    def _after(self) -> None:
        """A job has ended: what does that mean for those that wait?"""
        if self._shut:
            self._suspend()
        elif not self._waiting and self._was_full:
            self._was_full = False
            self.window.drained()
        self._pump()
        self._update()

    def _update(self) -> None:
        in_hand = len(self._waiting) + self._active
        if in_hand >= self.window.size:
            self._full = self._was_full = True
        elif in_hand <= self.window.size // 2:
            self._full = False
        shut = self.relays.paused or self.rest > 0
        blocked = self._full or self.room == 0 or (shut and not self._settling)
        if blocked is not self.blocked:
            self.blocked = blocked
            self._owner.changed(self)
