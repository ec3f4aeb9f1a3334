"""The owner's decisions as records: leases, outcomes, commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256

import msgspec

from appliance.mail import work
from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused, Reply
from appliance.mail.work import (
    AttemptId,
    Lease,
    LeasedRecipient,
    NewMessage,
    Outcome,
    RecipientOutcome,
)
from appliance.replica import commands
from appliance.replica.message import RecipientState
from appliance.replica.record import (
    Accepted,
    Attempt,
    Ended,
    Ending,
    Leased,
    Logged,
    Note,
    Record,
    Removed,
    Result,
)
from appliance.spool.messages import Entry
from appliance.spool.operations import Accept, Command, Rooms
from appliance.spool.schema import HELD
from appliance.spool.store import Store

FACTS = frozenset((work.Result.DELIVERED, work.Result.BOUNCED, work.Result.EXPIRED))

_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode


class Owner:
    """Decides for the recipients this node owns; the engine journals what it decides."""

    def __init__(self, store: Store, new_queue_id: Callable[[], str]) -> None:
        self._store = store
        self._new_queue_id = new_queue_id

    def accepted(self, operation: Accept) -> Accepted:
        """A message from outside."""
        return Accepted(
            operation.queue_id,
            operation.envelope,
            operation.domains,
            operation.size,
            operation.digest,
            operation.body is not None,
            operation.held,
            operation.bulk,
        )

    def leases(
        self,
        running: int,
        limit: int,
        allowed: Callable[[int], bool],
        blocked: Collection[str],
        rooms: Rooms = (),
    ) -> list[tuple[Leased, Entry]]:
        """Lease records for what is due, with their messages."""
        store, chosen = self._store, list[tuple[Leased, Entry]]()
        for key, domain in store.scheduler.due(running, limit, allowed, blocked, rooms):
            entry = store.messages.by_key(key)
            recipients = self._due(entry, domain, running)
            lane = store.lanes.of(key >> 40, entry.state.seq)
            stale = store.lanes.doubtful(lane, store.ownership) and not all(
                self._doubted(entry.state.recipients[index]) for index in recipients
            )
            chosen.append((Leased(entry.queue_id, recipients, stale), entry))
        return chosen

    def _due(self, entry: Entry, domain: str, running: int) -> tuple[int, ...]:
        wakes = {}
        for index, recipient in enumerate(entry.state.recipients):
            log = recipient.log
            if log.domain != domain or log.held or recipient.leased or recipient.final is not None:
                continue
            wakes[index] = log.due + self._store.clocks.offsets.get(recipient.stamp.node, 0)
        # A peer's clock may have been set right since the slot was written: then the first is due.
        limit = max(running, min(wakes.values(), default=HELD))
        return tuple([index for index, wake in wakes.items() if wake <= limit])

    def _doubted(self, recipient: RecipientState) -> bool:
        """True if an attempt of the other node counts as a doubt already: it sends once at most."""
        nodes = self._store.ownership.nodes
        return any(
            trial.result is Result.DOUBT
            and nodes.get(trial.attempt.incarnation) != self._store.node
            for trial in recipient.trials
        )

    def lease(self, record: Leased, entry: Entry, seq: int, running: int) -> Lease:
        """What delivery gets for a lease record that was journalled as number `seq`."""
        envelope = _decode_envelope(entry.envelope)
        recipients, bulk = [], False
        for index in record.recipients:
            log = entry.state.recipients[index].log
            address = log.address or envelope.recipients[index].address
            bulk = bulk or log.bulk
            recipients.append(LeasedRecipient(index, address, log.tries, log.delay_notified))
        return Lease(
            AttemptId(self._store.incarnation, seq),
            QueueId(entry.queue_id),
            envelope,
            tuple(recipients),
            entry.size,
            max(0, running - entry.arrived),
            bulk,
        )

    def outcome(self, outcome: Outcome, running: int) -> tuple[list[Record], dict[str, bytes]]:
        """An outcome and the DSNs it causes: one transaction; nothing if it was told before.

        Of a message that is another node's by now only the facts are told: the log is its owner's.
        Raises LookupError.
        """
        entry = self._store.messages.get(outcome.queue_id)
        owned = self.owns(entry)
        attempt = Attempt(outcome.attempt.incarnation, outcome.attempt.seq)
        endings, news = list[Ending](), False
        for told in outcome.recipients:
            recipient = entry.state.recipients[told.index]
            known = recipient.result_of(attempt)
            pending = known in (Result.OPEN, Result.DOUBT)
            news |= pending
            # What delivered is a fact even if the attempt itself was forgotten here.
            if pending or (known is None and told.result in FACTS):
                ending = _ending(told)
                if owned:
                    ending = commands.ending(
                        recipient,
                        ending,
                        running,
                        told.retry_in,
                        hold=told.held,
                        delayed=told.delayed,
                    )
                endings.append(ending)
        if not endings:
            return [], {}
        records: list[Record] = [Ended(outcome.queue_id, attempt, tuple(endings))]
        contents = {}
        for notification in outcome.notifications if news else ():
            record = self._made_here(notification)
            contents[record.queue_id] = notification.content
            records.append(record)
        return records, contents

    def _made_here(self, message: NewMessage) -> Accepted:
        return Accepted(
            self._new_queue_id(),
            _encode(message.envelope),
            tuple([domain_key(r.address) for r in message.envelope.recipients]),
            len(message.content),
            sha256(message.content).digest(),
        )

    def cancelled(self, lease: Lease) -> Ended:
        """A lease that delivery never got: due again at once."""
        endings = tuple([Ending(r.index, Result.CANCELLED) for r in lease.recipients])
        return Ended(lease.queue_id, Attempt(lease.attempt.incarnation, lease.attempt.seq), endings)

    def write_offs(self, keep: Callable[[Attempt], bool]) -> list[Record]:
        """Open attempts that will never be reported, declared in doubt."""
        records: list[Record] = []
        for attempt, key in self._store.open_leases():
            if keep(attempt):
                continue
            entry = self._store.messages.by_key(key)
            record = commands.write_off(entry.queue_id, entry.state, attempt)
            if record:
                records.append(record)
        return records

    def invalid(self, attempts: Iterable[AttemptId]) -> frozenset[AttemptId]:
        """Those attempts that are not open any more, or whose message this node does not own."""
        owned = {
            AttemptId(attempt.incarnation, attempt.seq)
            for attempt, key in self._store.open_leases()
            if self.owns(self._store.messages.by_key(key))
        }
        return frozenset(a for a in attempts if a not in owned)

    def leases_of(self, mine: Callable[[Attempt], bool]) -> frozenset[AttemptId]:
        """Open attempts that are `mine`."""
        return frozenset(
            AttemptId(attempt.incarnation, attempt.seq)
            for attempt, _ in self._store.open_leases()
            if mine(attempt)
        )

    def foreign_leases(self) -> frozenset[AttemptId]:
        """Open attempts of this node on messages that it does not own any more."""
        nodes = self._store.ownership.nodes
        return frozenset(
            AttemptId(attempt.incarnation, attempt.seq)
            for attempt, key in self._store.open_leases()
            if nodes.get(attempt.incarnation) == self._store.node
            and not self.owns(self._store.messages.by_key(key))
        )

    def orphans(self, peer: bytes) -> bool:
        """True if something belongs to neither node of the pair: `peer` took its owner's place.

        The link pins the peer's key, so the peer is another one only after `pair replace`.
        """
        lanes, ownership = self._store.lanes, self._store.ownership
        by_idx = self._store.journal.by_idx
        return any(
            lane.low < by_idx[lane.inc].tip.seq
            and lanes.owner(lane, ownership) not in (self._store.node, peer, b"")
            for lane in lanes
        )

    def owns(self, entry: Entry) -> bool:
        """True if this node may act on a message."""
        lane = self._store.lanes.of(entry.key >> 40, entry.state.seq)
        return self._store.mine(lane)

    def command(self, command: Command, running: int) -> Logged | Removed | None:
        """An operator's command as a record, None if it changes nothing.

        Raises LookupError for an unknown message and Refused for a bad command.
        """
        entry = self._store.messages.get(command.queue_id)
        queue_id, state, chosen = entry.queue_id, entry.state, command.recipients
        if chosen is not None and any(not 0 <= i < len(state.recipients) for i in chosen):
            last = len(state.recipients) - 1
            raise Refused(
                Reply(550, "5.1.1", "it has no recipient of that number"),
                f"the last one is {queue_id}/{last}",
            )
        match command.action:
            case "hold":
                return commands.hold(queue_id, state, chosen)
            case "release":
                return commands.release(queue_id, state, chosen, running)
            case "retry":
                return commands.retry(queue_id, state, chosen, running)
            case "redirect":
                return commands.redirect(
                    queue_id, state, chosen, command.address, command.domain, running
                )
            case "remove":
                return commands.remove(queue_id, state, chosen)
        raise Refused(
            Reply(500, "5.5.1", f"unknown command {command.action}"),
            "use hold, release, retry, redirect or remove",
        )


def _ending(told: RecipientOutcome) -> Ending:
    note = Note(told.reply.code, told.reply.enhanced, told.reply.text[:512], told.remote)
    return Ending(told.index, Result(int(told.result)), note, told.mailbox)
