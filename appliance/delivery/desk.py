"""What the end of an attempt means: outcome, retry, expiry, notice to the sender, log line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from appliance.delivery.dots import DamagedContent
from appliance.delivery.errand import Errand, Job
from appliance.delivery.smtp import Session
from appliance.delivery.transaction import Ending
from appliance.mail import dsn
from appliance.mail.aliases import Aliases
from appliance.mail.delivery_status import Stamp
from appliance.mail.disposition import Trouble, unreachable
from appliance.mail.notification import notifications
from appliance.mail.reply import Reply
from appliance.mail.retry import RetrySchedule
from appliance.mail.work import (
    LeasedRecipient,
    NewMessage,
    Outcome,
    RecipientOutcome,
    Result,
)
from appliance.monitor.events import Emit, Event

_EVENTS = {
    Result.DELIVERED: Event.SENT,
    Result.DEFERRED: Event.DEFERRED,
    Result.BOUNCED: Event.BOUNCED,
    Result.EXPIRED: Event.EXPIRED,
    Result.CANCELLED: Event.RETURNED,
}
_BUSY = unreachable(Trouble.UNKNOWN, "the next hop is busy: not tried yet")
_FAILED = unreachable(Trouble.UNKNOWN, "this node failed to send it; its log says why")
_DAMAGED = unreachable(Trouble.UNKNOWN, "its stored content is damaged: held for an operator")
_UNREPORTED = "held, for its sender could not be told: "
_AGAIN_SOON = 1000  # ms: after a closed fence; anything shorter would turn in circles


class Identity(msgspec.Struct, frozen=True):
    """Who writes notifications: the node's name, and an address people may write to.

    To whom: a sender may be an alias, which is expanded where mail comes in, and here.
    """

    node: str
    postmaster: str
    aliases: Aliases = Aliases({})


class Desk:
    """Decides. `clock` counts seconds, `wall` milliseconds for people; `random` is from [0, 1).

    `token` gives letters and digits never used before (`Stamp.token`).
    """

    def __init__(
        self,
        identity: Identity,
        schedule: RetrySchedule,
        emit: Emit,
        clock: Callable[[], float],
        wall: Callable[[], int],
        random: Callable[[], float],
        token: Callable[[], str],
    ) -> None:
        self._identity = identity
        self._schedule = schedule
        self._emit = emit
        self._clock = clock
        self._wall = wall
        self._random = random
        self._token = token

    def configure(self, identity: Identity, schedule: RetrySchedule) -> None:
        """Another name and schedule, from the next attempt that ends on."""
        self._identity = identity
        self._schedule = schedule

    def ended(
        self,
        job: Job,
        recipients: Sequence[LeasedRecipient],
        endings: Sequence[Ending],
        session: Session | None,
    ) -> None:
        """An attempt ended."""
        errand = job.errand
        remote = session.remote if session else ""
        for recipient, ending in zip(recipients, endings, strict=True):
            if ending.result is Result.DEFERRED:
                outcome = self._deferred(errand, recipient, ending.reply, remote)
            else:
                again = _AGAIN_SOON if ending.result is Result.CANCELLED else 0
                outcome = RecipientOutcome(
                    recipient.index, ending.result, ending.reply, remote, again
                )
            if ending.result is Result.DELIVERED and session and session.peer.dsn:
                errand.passed_on.add(recipient.index)
            self.record(errand, recipient, outcome, job, session.tls if session else "")

    def suspended(
        self,
        errand: Errand,
        recipients: Sequence[LeasedRecipient],
        reply: Reply,
        rest: float | None,
    ) -> bool:
        """Not tried, for the next hop rests, or is paused, for `rest` more seconds: `reply`.

        Its last failure since we started is the attempt that a message needs before it may
        expire: trying each of a queue full of them would take for ever, and end the same. A
        pause is an operator's will: mail does not live longer for it. Without a `rest` it was due
        since it came: so the oldest goes first, and is looked at first. True if for some
        recipient a decision was due.
        """
        due = False
        for recipient in recipients:
            outcome = self._deferred(errand, recipient, reply, "")
            if outcome.result is Result.EXPIRED or outcome.delayed:
                due = True
            else:
                wait = -round(self._age(errand)) if rest is None else round(1000 * rest) + 1
                outcome = RecipientOutcome(recipient.index, Result.CANCELLED, reply, retry_in=wait)
            self.record(errand, recipient, outcome)
        return due

    def record(
        self,
        errand: Errand,
        recipient: LeasedRecipient,
        outcome: RecipientOutcome,
        job: Job | None = None,
        tls: str = "",
    ) -> None:
        """Keep `outcome` and tell it; `job` is the attempt that it came of, if there was one.

        `tls` is the version that protected it, "" for plain text.
        """
        errand.outcomes[outcome.index] = outcome
        lease = errand.lease
        original = lease.envelope.recipients[recipient.index].address
        event = Event.HELD if outcome.held else _EVENTS[outcome.result]
        more = {"orig_to": original} if original != recipient.address else {}
        self._emit(
            event,
            lease.queue_id,
            **{"to": recipient.address, **more, "relay": outcome.remote or "none", "tls": tls},
            **_delays(errand, job, self._clock()),
            size=lease.size,
            dsn=outcome.reply.enhanced,
            reply=outcome.reply.text,
        )

    def outcome(self, errand: Errand) -> Outcome:
        """The report on a finished errand, with what its sender is to be told."""
        lease = errand.lease
        outcomes = tuple(errand.outcomes.values())
        try:
            notices = self._notify(errand, outcomes)
        except Exception as error:
            # A report that can't be made of some hostile original: nobody's mail may end without
            # a word, so an operator must look at it.
            self._emit(Event.FAILED, lease.queue_id, error=repr(error))
            outcomes = tuple(map(_kept, outcomes))
            notices = ()
        return Outcome(lease.attempt, lease.queue_id, outcomes, notices)

    def returned(self, errand: Errand, recipients: Sequence[LeasedRecipient], wait: float) -> None:
        """Not tried, for the next hop was busy; due again in `wait` seconds."""
        for recipient in recipients:
            outcome = RecipientOutcome(
                recipient.index, Result.CANCELLED, _BUSY, retry_in=round(1000 * wait)
            )
            self.record(errand, recipient, outcome)

    def failed(
        self, errand: Errand, recipients: Sequence[LeasedRecipient], error: Exception
    ) -> None:
        """No reply explains what happened: damaged content is held, all else tried again."""
        damaged = isinstance(error, DamagedContent)
        event = Event.CONTENT_DAMAGED if damaged else Event.FAILED
        self._emit(event, errand.lease.queue_id, error=repr(error))
        for recipient in recipients:
            if damaged:
                outcome = RecipientOutcome(recipient.index, Result.CANCELLED, _DAMAGED, held=True)
            else:
                outcome = self._deferred(errand, recipient, _FAILED, "")
            self.record(errand, recipient, outcome)

    def _deferred(
        self, errand: Errand, recipient: LeasedRecipient, reply: Reply, remote: str
    ) -> RecipientOutcome:
        retry = self._schedule.after_failure(
            round(self._age(errand)), recipient.tries, recipient.delay_notified, self._random()
        )
        return RecipientOutcome(
            recipient.index,
            Result.EXPIRED if retry.expired else Result.DEFERRED,
            reply,
            remote,
            retry.retry_in,
            delayed=retry.warn,
        )

    def _notify(
        self, errand: Errand, outcomes: tuple[RecipientOutcome, ...]
    ) -> tuple[NewMessage, ...]:
        lease = errand.lease
        notices = notifications(lease.envelope, outcomes, errand.passed_on)
        if not notices:
            return ()
        now = self._wall()
        stamp = Stamp(
            node=self._identity.node,
            sender=self._identity.postmaster,
            token=self._token(),
            now=now,
            retry_until=now + max(0, self._schedule.lifetime - round(self._age(errand))),
        )
        original = self._original(errand)
        made = dsn.build(lease.envelope, lease.queue_id, notices, original, lease.size, stamp)
        self._emit(Event.NOTIFIED, lease.queue_id, to=lease.envelope.sender, notices=len(notices))
        return tuple(map(self._addressed, made))

    def _addressed(self, message: NewMessage) -> NewMessage:
        envelope = message.envelope
        recipients = self._identity.aliases.expand(envelope.recipients)
        return msgspec.structs.replace(
            message, envelope=msgspec.structs.replace(envelope, recipients=recipients)
        )

    def _original(self, errand: Errand) -> bytes:
        try:
            return errand.content.start()
        except Exception as error:
            # Whatever keeps the content from being read: the sender is told all the same.
            self._emit(Event.FAILED, errand.lease.queue_id, error=repr(error))
            return b""

    def _age(self, errand: Errand) -> float:
        """Milliseconds of running time since the message was accepted."""
        return errand.lease.age + 1000 * (self._clock() - errand.since)


def _delays(errand: Errand, job: Job | None, now: float) -> dict[str, object]:
    """Seconds, as Postfix counts them: until leased, in hand, connecting, sending; and the sum."""
    before = errand.lease.age / 1000
    began = now if job is None or job.began is None else job.began
    connected = now if job is None or job.connected is None else job.connected
    parts = before, began - errand.since, connected - began, now - connected
    return {"delay": round(sum(parts), 3), "delays": [round(part, 3) for part in parts]}


def _kept(outcome: RecipientOutcome) -> RecipientOutcome:
    if outcome.result in (Result.BOUNCED, Result.EXPIRED):
        reply = Reply(451, "4.3.0", _UNREPORTED + str(outcome.reply))
        return RecipientOutcome(outcome.index, Result.CANCELLED, reply, outcome.remote, held=True)
    return msgspec.structs.replace(outcome, delayed=False)
