"""A message's replicated state: how records change it and how two copies of it merge.

Records reach a node in an order in which each comes after those it was written in knowledge of;
records written in ignorance of each other may come in any order. Every function here gives the
same state whatever that order is, and again when a record is applied twice.
"""

from __future__ import annotations

import msgspec

from appliance.replica.position import Incarnation, Node, Number, Positions, Time
from appliance.replica.record import Accepted, Attempt, Ended, Leased, Log, Logged, Removed, Result

_PRECEDENCE = {
    Result.DELIVERED: 4,
    Result.REMOVED: 3,
    Result.BOUNCED: 2,
    Result.EXPIRED: 1,
}
_SEEN = frozenset((Result.DELIVERED, Result.BOUNCED, Result.EXPIRED))
_KNOWLEDGE = {Result.OPEN: -2, Result.DOUBT: -1, **_PRECEDENCE}
FINAL = frozenset(_PRECEDENCE)
"""Results after which a recipient is never attempted again."""


class Stamp(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Orders log entries: the later owner wins, then the later entry.

    `at` is the running time of `node`, which its restarts and lost disks don't turn back.
    """

    epoch: Number
    node: Node
    at: Time
    incarnation: Incarnation
    seq: Number


class Trial(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An attempt that is open, final or in doubt; what ended in a deferral is forgotten."""

    attempt: Attempt
    result: Result = Result.OPEN
    stale: bool = False
    mailbox: str | None = None


class RecipientState(msgspec.Struct, frozen=True, array_like=True):
    """One recipient: the owner's log under its stamp, and the set of attempts, sorted."""

    stamp: Stamp
    log: Log
    trials: tuple[Trial, ...] = ()

    @property
    def final(self) -> Result | None:
        """delivered > removed > bounced > expired, None while there is something to do."""
        best: Result | None = None
        for trial in self.trials:
            if trial.result in _PRECEDENCE:
                if best is None or _PRECEDENCE[trial.result] > _PRECEDENCE[best]:
                    best = trial.result
        return best

    @property
    def leased(self) -> bool:
        """True while an attempt is open."""
        return any(trial.result is Result.OPEN for trial in self.trials)

    def result_of(self, attempt: Attempt) -> Result | None:
        """How an attempt stands; None if it is unknown, or ended in a deferral."""
        for trial in self.trials:
            if trial.attempt == attempt:
                return trial.result
        return None

    @property
    def doubts(self) -> int:
        """Attempts of which nobody knows whether they delivered, or whether they were made."""
        unseen = [trial.stale for trial in self.trials if trial.result in _SEEN] == [True]
        return sum(trial.result is Result.DOUBT for trial in self.trials) + unseen

    @property
    def duplicates(self) -> int:
        """Attempts beyond the first that somebody outside may have seen: repeats and doubts."""
        seen = sum(trial.result in _SEEN for trial in self.trials)
        return max(0, seen - 1) + self.doubts


class MessageState(msgspec.Struct, frozen=True, array_like=True):
    """The recipients of one message; the accepted record's position says who owns it."""

    incarnation: Incarnation
    seq: Number
    recipients: tuple[RecipientState, ...]

    @property
    def finished(self) -> bool:
        """True if every recipient has come to its end and no attempt is open."""
        return all(r.final is not None and not r.leased for r in self.recipients)


def accepted(record: Accepted, stamp: Stamp, at: int) -> MessageState:
    """The state of a message just accepted: due at once unless it is accepted held."""
    return MessageState(
        stamp.incarnation,
        stamp.seq,
        tuple(
            [
                RecipientState(stamp, Log(at, domain, record.held, bulk=record.bulk))
                for domain in record.domains
            ]
        ),
    )


def leased(state: MessageState, record: Leased, stamp: Stamp) -> MessageState:
    """An attempt opens for some recipients."""
    trial = Trial(Attempt(stamp.incarnation, stamp.seq), Result.OPEN, record.stale)
    return _tried(state, record.recipients, trial)


def removed(state: MessageState, record: Removed, stamp: Stamp) -> MessageState:
    """An operator ends recipients; the removal is an attempt of its own."""
    trial = Trial(Attempt(stamp.incarnation, stamp.seq), Result.REMOVED)
    return _tried(state, record.recipients, trial)


def ended(state: MessageState, record: Ended, stamp: Stamp) -> MessageState:
    """An attempt ends: with a final fact, in doubt, or with a new entry in the owner's log."""
    recipients = list(state.recipients)
    for ending in record.endings:
        told = _with_result(recipients[ending.index], record.attempt, ending.result, ending.mailbox)
        recipients[ending.index] = _with_log(told, stamp, ending.log)
    return MessageState(state.incarnation, state.seq, tuple(recipients))


def logged(state: MessageState, record: Logged, stamp: Stamp) -> MessageState:
    """The owner changes its log."""
    recipients = list(state.recipients)
    for index, log in record.logs:
        recipients[index] = _with_log(recipients[index], stamp, log)
    return MessageState(state.incarnation, state.seq, tuple(recipients))


def merged(
    mine: MessageState, known: Positions, theirs: MessageState, they_know: Positions
) -> MessageState:
    """Two copies of one message, each with the positions up to which its node had applied records.

    An attempt that only one side has is new to the other side, or ended there in a deferral:
    the other side's positions tell which.
    """
    return MessageState(
        mine.incarnation,
        mine.seq,
        tuple(
            _merged_recipient(a, known, b, they_know)
            for a, b in zip(mine.recipients, theirs.recipients, strict=True)
        ),
    )


def _merged_recipient(
    mine: RecipientState, known: Positions, theirs: RecipientState, they_know: Positions
) -> RecipientState:
    a = {trial.attempt: trial for trial in mine.trials}
    b = {trial.attempt: trial for trial in theirs.trials}
    trials = []
    for attempt in a.keys() | b.keys():
        one, other = a.get(attempt), b.get(attempt)
        if one and other:
            trials.append(_better(one, other))
        elif one and they_know.get(attempt.incarnation, 0) < attempt.seq:
            trials.append(one)
        elif other and known.get(attempt.incarnation, 0) < attempt.seq:
            trials.append(other)
        elif (only := one or other) and only.result in FINAL:
            trials.append(only)
    newest = max(mine, theirs, key=lambda r: r.stamp)
    return RecipientState(newest.stamp, newest.log, tuple(sorted(trials)))


def _better(one: Trial, other: Trial) -> Trial:
    return one if _KNOWLEDGE[one.result] >= _KNOWLEDGE[other.result] else other


def _tried(state: MessageState, indexes: tuple[int, ...], trial: Trial) -> MessageState:
    recipients = list(state.recipients)
    for index in indexes:
        recipients[index] = _with_trial(recipients[index], trial)
    return MessageState(state.incarnation, state.seq, tuple(recipients))


def _with_trial(recipient: RecipientState, trial: Trial) -> RecipientState:
    if any(known.attempt == trial.attempt for known in recipient.trials):
        return recipient
    trials = (*recipient.trials, trial)
    if len(trials) > 1:
        trials = tuple(sorted(trials))
    return RecipientState(recipient.stamp, recipient.log, trials)


def _with_result(
    recipient: RecipientState, attempt: Attempt, result: Result, mailbox: str | None
) -> RecipientState:
    # A final fact holds though its lease was forgotten here; a deferral or doubt then is nothing.
    told = Trial(attempt, result, mailbox=mailbox)
    trials = [trial for trial in recipient.trials if trial.attempt != attempt]
    for trial in recipient.trials:
        if trial.attempt == attempt:
            told = Trial(attempt, result, trial.stale, mailbox)
            if result not in _KNOWLEDGE:
                told = trial if trial.result in FINAL else told
            else:
                told = _better(trial, told)
            break
    else:
        if result is Result.DOUBT:
            return recipient
    if told.result in _KNOWLEDGE:
        trials.append(told)
        trials.sort()
    return RecipientState(recipient.stamp, recipient.log, tuple(trials))


def _with_log(recipient: RecipientState, stamp: Stamp, log: Log | None) -> RecipientState:
    if log is None or stamp <= recipient.stamp:
        return recipient
    return RecipientState(stamp, log, recipient.trials)
