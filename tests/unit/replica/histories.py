"""Histories of one message on three nodes that hear of each other now and then."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st
from msgspec.structs import replace

from appliance.replica import commands
from appliance.replica import message as rules
from appliance.replica.message import FINAL, MessageState, Stamp
from appliance.replica.record import (
    Accepted,
    Attempt,
    Ended,
    Ending,
    Leased,
    Logged,
    Record,
    Removed,
    Result,
)

NODES = (b"a" * 8, b"b" * 8, b"c" * 8)
INCARNATIONS = (b"A" * 16, b"B" * 16, b"C" * 16)
RECIPIENTS = 2
ACCEPTED = Accepted("QUEUEID", b"", ("one.test",) * RECIPIENTS, 3, b"digest")
OUTCOMES = (
    Result.DELIVERED,
    Result.DEFERRED,
    Result.CANCELLED,
    Result.BOUNCED,
    Result.EXPIRED,
)


@dataclass(frozen=True)
class Event:
    """A record as written by node `by` that knew of `deps` (records of each node)."""

    by: int
    seq: int
    stamp: Stamp
    record: Record
    deps: tuple[int, ...]


def begin() -> Event:
    stamp = Stamp(0, NODES[0], 0, INCARNATIONS[0], 1)
    return Event(0, 1, stamp, ACCEPTED, (0, 0, 0))


def apply(state: MessageState | None, event: Event) -> MessageState:
    """What a node that has heard of an event makes of it."""
    record = event.record
    if isinstance(record, Accepted):
        return state or rules.accepted(record, event.stamp, 0)
    assert state is not None
    match record:
        case Leased():
            return rules.leased(state, record, event.stamp)
        case Ended():
            return rules.ended(state, record, event.stamp)
        case Logged():
            return rules.logged(state, record, event.stamp)
        case Removed():
            return rules.removed(state, record, event.stamp)
    raise AssertionError(record)


def state_of(events: list[Event]) -> MessageState:
    """The state after `events`, in that order."""
    state: MessageState | None = None
    for event in events:
        state = apply(state, event)
    assert state is not None
    return state


@dataclass
class Replica:
    """A node: the events it has heard of, in its own order.

    `muddled`: its delivery tells more than one end of an attempt, which no correct one does.
    """

    index: int
    muddled: bool = False
    heard: list[Event] = field(default_factory=lambda: [begin()])

    @property
    def state(self) -> MessageState:
        return state_of(self.heard)

    @property
    def known(self) -> tuple[int, ...]:
        return tuple(
            max((event.seq for event in self.heard if event.by == node), default=0)
            for node in range(len(NODES))
        )

    @property
    def positions(self) -> dict[bytes, int]:
        return {INCARNATIONS[node]: seq for node, seq in enumerate(self.known) if seq}

    def hear(self, events: list[Event]) -> None:
        self.heard += [event for event in events if event not in self.heard]

    def write(self, choice: int, detail: int, epoch: int) -> None:
        """Add a record of this node's own, if the choice makes sense here."""
        seq = self.known[self.index] + 1
        incarnation = INCARNATIONS[self.index]
        record = self._record(choice, detail, Attempt(incarnation, seq))
        if record is not None:
            stamp = Stamp(epoch, NODES[self.index], seq, incarnation, seq)
            self.heard.append(Event(self.index, seq, stamp, record, self.known))

    def _record(self, choice: int, detail: int, attempt: Attempt) -> Record | None:
        state, index = self.state, detail % RECIPIENTS
        recipient = state.recipients[index]
        match choice % 5:
            case 0 if recipient.final is None and not recipient.leased:
                stale = detail % 3 == 0 and not self.muddled
                return Leased(ACCEPTED.queue_id, (index,), stale)
            case 1:
                return self._outcome(state, detail)
            case 2:
                return self._write_off(state, detail)
            case 3:
                action = commands.hold if detail % 3 else commands.remove
                return action(ACCEPTED.queue_id, state, [index])
            case 4:
                return commands.release(ACCEPTED.queue_id, state, [index], detail)
        return None

    def _outcome(self, state: MessageState, detail: int) -> Ended | None:
        """The end of an attempt of this node's own: told once, in spite of any doubt."""
        told = {
            event.record.attempt
            for event in self.heard
            if event.by == self.index
            and isinstance(event.record, Ended)
            and event.record.endings[0].result is not Result.DOUBT
        }
        for index, recipient in enumerate(state.recipients):
            for trial in recipient.trials:
                mine = trial.attempt.incarnation == INCARNATIONS[self.index]
                fresh = trial.result not in FINAL and trial.attempt not in told
                if mine and (fresh or self.muddled):
                    result = OUTCOMES[detail % len(OUTCOMES)]
                    ending = commands.ending(recipient, Ending(index, result), detail, 10)
                    if detail % 2:  # a former owner
                        ending = replace(ending, log=None)
                    return Ended(ACCEPTED.queue_id, trial.attempt, (ending,))
        return None

    def _write_off(self, state: MessageState, detail: int) -> Ended | None:
        attempts = sorted(
            trial.attempt
            for recipient in state.recipients
            for trial in recipient.trials
            if trial.result is Result.OPEN
        )
        if not attempts:
            return None
        return commands.write_off(ACCEPTED.queue_id, state, attempts[detail % len(attempts)])


def played(seed: int, muddled: bool) -> list[Replica]:
    """Three replicas after some writes, and some hearing of one another."""
    rng = Random(seed)
    replicas = [Replica(index, muddled) for index in range(len(NODES))]
    for _ in range(rng.randint(3, 60)):
        replica = rng.choice(replicas)
        choice = rng.choice([0, 0, 1, 1, 1, 2, 3, 4, 5, 5])
        if choice < 5:
            replica.write(choice, rng.randrange(60), rng.randrange(2))
        else:
            other = rng.choice(replicas)
            replica.hear(other.heard[: rng.randint(1, len(other.heard))])
    return replicas


histories = st.builds(played, st.integers(0, 1 << 40), st.booleans())


def everything(replicas: list[Replica]) -> list[Event]:
    """All events, in an order in which each comes after those it was written in knowledge of."""
    union = Replica(0)
    for replica in replicas:
        union.hear(replica.heard)
    return shuffled(union.heard, Random(0))


def shuffled(events: list[Event], rng: Random) -> list[Event]:
    """The same events in another order that respects who knew what."""
    waiting, known, order = list(events), [0] * len(NODES), list[Event]()
    while waiting:
        ready = [e for e in waiting if e.seq == known[e.by] + 1 and _covered(e, known)]
        event = rng.choice(ready)
        waiting.remove(event)
        known[event.by] = event.seq
        order.append(event)
    return order


def _covered(event: Event, known: list[int]) -> bool:
    return all(have >= need for have, need in zip(known, event.deps, strict=True))
