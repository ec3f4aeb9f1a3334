"""Gives leases to their destinations and makes outcomes of what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from appliance.config.delivery import DeliverySettings
from appliance.config.pools import NextHopSettings
from appliance.delivery.content import Content
from appliance.delivery.desk import Desk
from appliance.delivery.errand import Errand, Job
from appliance.delivery.gate import Gates
from appliance.delivery.hop import STOPPED, Hop
from appliance.delivery.local import settle
from appliance.delivery.members import Recruiter
from appliance.delivery.prober import Prober
from appliance.delivery.relays import Member
from appliance.delivery.slots import Slots
from appliance.delivery.smtp import Connector, Session
from appliance.delivery.source import ContentReader
from appliance.delivery.transaction import Ending
from appliance.mail.address import domain_key
from appliance.mail.reply import Reply
from appliance.mail.route import Route, Routes
from appliance.mail.work import Lease, LeasedRecipient, Outcome
from appliance.monitor.events import Emit, Event

_MAX_BLOCKED = 5000  # domains named at a time; mail for others is taken and given back
_LOOK = 60.0  # seconds between two looks at paused mail, whether its time has come

PAUSED_DOMAIN = Reply(451, "4.3.2", "mail for this domain is paused by an operator: not tried")
_AT_A_LOOK = 16  # messages
PAUSED_HOP = Reply(451, "4.3.2", "the next hop is paused by an operator: not tried")


class Dispatcher:
    """Every lease that is accepted ends in one call of `done`, whatever happens to it.

    `blocked_changed` is called when `blocked` has changed. `clock` counts seconds.
    """

    def __init__(
        self,
        content: ContentReader,
        routes: Routes,
        connector: Connector,
        desk: Desk,
        settings: DeliverySettings,
        emit: Emit,
        clock: Callable[[], float],
        random: Callable[[], float],
        limits: Mapping[str, NextHopSettings] | None = None,
    ) -> None:
        """`limits` of single next hops, by name."""
        self.done: Callable[[Outcome], None] = _nobody
        self.blocked_changed: Callable[[], None] = _nothing
        self._content = content
        self._routes = routes
        self._desk = desk
        self._settings = settings
        self._emit = emit
        self._clock = clock
        self._slots = Slots(settings.connections)
        self.gates = Gates(settings, limits or {}, clock, random)
        self._recruiter = Recruiter(connector, self.gates, settings)
        self._prober = Prober(clock, emit)
        self._paused: frozenset[str] = frozenset()
        self._looking: set[str] = set()
        """Paused domains whose oldest mail is looked at: must it be told of, or returned?"""
        self._looked = clock()
        self._hops: dict[str, Hop] = {}
        self._blocked: dict[str, Hop] = {}
        self._stopping = False

    def configure(
        self,
        routes: Routes,
        settings: DeliverySettings,
        limits: Mapping[str, NextHopSettings] | None = None,
    ) -> None:
        """Other routes, settings and limits, from the next message and connection on."""
        self._routes = routes
        self._settings = settings
        self._slots.resize(settings.connections)
        self.gates.configure(settings, limits or {})
        self._recruiter.configure(settings)
        for hop in self._hops.values():
            hop.configure(settings)
        self.blocked_changed()

    def pause(self, domains: frozenset[str], hops: frozenset[str]) -> None:
        """Begin nothing for these domains and next hops from now on, but for all others."""
        self._paused = domains
        self._looking.clear()
        self.gates.pause(hops)
        for hop in self._hops.values():
            hop.drop(domains)
            hop.resume()
        self.blocked_changed()

    @property
    def blocked(self) -> frozenset[str]:
        """Domains for which no leases are wanted now."""
        paused = self._paused - self._looking
        if not self._blocked:
            return paused
        domains = [domain for hop in self._blocked.values() for domain in hop.domains]
        return paused.union(domains[:_MAX_BLOCKED])

    @property
    def rooms(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """For how many messages there is room, where a limit tells: all these domains together."""
        rooms = [(hop.room, tuple(hop.domains)) for hop in self._hops.values() if not hop.blocked]
        told = [(room, domains) for room, domains in rooms if room is not None and domains]
        return (*told, *((_AT_A_LOOK, (domain,)) for domain in self._looking))

    @property
    def hops(self) -> Sequence[Hop]:
        """The destinations that are known now."""
        return list(self._hops.values())

    def accept(self, lease: Lease, fence: Callable[[], bool]) -> None:
        """Take `lease` in hand."""
        content = Content(self._content, lease.queue_id)
        errand = Errand(lease, content, fence, self._clock())
        try:
            if self._stopping:
                stopped = [STOPPED] * len(lease.recipients)
                self.ended(Job(errand, lease.recipients), lease.recipients, stopped, None)
            else:
                self._distribute(errand)
        except Exception as error:
            # A bug in a rule: the lease must come to an end all the same, or it stays in hand.
            self._desk.failed(errand, errand.open(), error)
            self._check(errand)

    def tick(self) -> None:
        """What time brings about: to be called about once a second."""
        for hop in list(self._hops.values()):
            hop.sweep()
            self._prober.look(hop)
            if hop.idle:
                hop.forget()
                del self._hops[hop.name]
        self.gates.sweep()
        if self._clock() - self._looked >= _LOOK:
            self._looked = self._clock()
            self._look()

    def _look(self) -> None:
        """A pause lengthens no message's life: the oldest of what is paused is looked at."""
        self._looking = set(self._paused)
        for hop in self._hops.values():
            hop.look()
        if self._looking:
            self.blocked_changed()

    def stop(self) -> None:
        """Give back what has not begun, and whatever is accepted from now on."""
        self._stopping = True
        for hop in self._hops.values():
            hop.stop(STOPPED)

    def abort(self) -> None:
        """Break off what is under way."""
        for hop in self._hops.values():
            hop.abort()

    def close(self) -> None:
        """End the connections that nobody uses any more."""
        self._prober.close()
        for hop in self._hops.values():
            hop.stop(STOPPED)

    def _distribute(self, errand: Errand) -> None:
        """Settle what needs no next hop, and make jobs of the rest, one destination at a time."""
        domain = domain_key(errand.lease.recipients[0].address)
        if domain in self._paused:
            self._pause(errand, domain)
            return
        remote: dict[str, tuple[Route, list[LeasedRecipient]]] = {}
        for recipient in errand.lease.recipients:
            route = self._routes.resolve(recipient.address)
            outcome = settle(route.transport, recipient.index)
            if outcome is not None:
                self._desk.record(errand, recipient, outcome)
            else:
                remote.setdefault(route.destination, (route, []))[1].append(recipient)
        most = self._settings.recipients_per_message
        for route, recipients in remote.values():
            hop = self._hop(route, recipients[0].address)
            domain = domain_key(recipients[0].address)
            if self._routes.uniform(domain):
                hop.serves(domain)
            for start in range(0, len(recipients), most):
                hop.add(Job(errand, recipients[start : start + most]))
        if not remote:
            self._check(errand)

    def _pause(self, errand: Errand, domain: str) -> None:
        due = self._desk.suspended(errand, errand.lease.recipients, PAUSED_DOMAIN, None)
        self._check(errand)
        if not due and domain in self._looking:
            self._looking.remove(domain)  # what came later is not due either
            self.blocked_changed()

    def _hop(self, route: Route, address: str) -> Hop:
        hop = self._hops.get(route.destination)
        if hop is None:
            hop = self._hops[route.destination] = Hop(
                route,
                self._recruiter.relays(route, address),
                self._slots,
                self,
                self._settings,
                self._clock,
            )
        elif hop.route != route:  # its pool is another one by now
            hop.lead(route, self._recruiter.relays(route, address))
        return hop

    def _check(self, errand: Errand) -> None:
        if errand.done:
            self.done(self._desk.outcome(errand))

    # What hops ask and tell (`HopOwner`).

    def ended(
        self,
        job: Job,
        recipients: Sequence[LeasedRecipient],
        endings: Sequence[Ending],
        session: Session | None,
    ) -> None:
        self._desk.ended(job, recipients, endings, session)
        self._check(job.errand)

    def suspended(self, job: Job, hop: Hop) -> bool:
        recipients, job.recipients = job.recipients, ()
        rest, reason, due = hop.rest, hop.reason, False
        if job.domain in self._paused:
            self._desk.suspended(job.errand, recipients, PAUSED_DOMAIN, None)
        elif hop.relays.paused:
            again = None if self._keeps_out(job.domain, hop) else _LOOK
            due = self._desk.suspended(job.errand, recipients, PAUSED_HOP, again)
        elif rest and reason is not None:
            text = f"suspended, since the next hop failed before: {reason.text}"
            suspended = Reply(reason.code, reason.enhanced, text)
            due = self._desk.suspended(job.errand, recipients, suspended, rest)
        else:
            self._desk.returned(job.errand, recipients, self._settings.patience.seconds)
        self._check(job.errand)
        return due

    def _keeps_out(self, domain: str, hop: Hop) -> bool:
        """Whether no mail for `domain` is leased while `hop` is blocked."""
        named = sum(len(one.domains) for one in self._hops.values())
        return named < _MAX_BLOCKED and domain in hop.domains

    def failed(self, job: Job, error: Exception) -> None:
        # It may have failed after some of them had come to their end.
        left = [r for r in job.recipients if r.index not in job.errand.outcomes]
        self._desk.failed(job.errand, left, error)
        self._check(job.errand)

    def changed(self, hop: Hop) -> None:
        if hop.blocked:
            self._blocked[hop.name] = hop
        else:
            self._blocked.pop(hop.name, None)
        self.blocked_changed()

    def rested(self, member: Member, reply: Reply | None) -> None:
        name = member.server.name
        if reply is None:
            self._emit(Event.HOP_UP, relay=name)
        else:
            rest = round(member.gate.throttle.rest(self._clock()), 1)
            self._emit(Event.HOP_DOWN, relay=name, rest=rest, reply=str(reply))


def _nobody(_: Outcome) -> None:
    """Before an agent listens nothing is accepted."""


def _nothing() -> None:
    """Before an agent listens there is nobody to tell."""
