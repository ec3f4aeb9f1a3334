"""Laws of a message's state: no order of concurrent records, and no repetition, changes it."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.message import (
    MessageState,
    RecipientState,
    Stamp,
    Trial,
    accepted,
    ended,
    leased,
    merged,
)
from appliance.replica.position import joined
from appliance.replica.record import Attempt, Ended, Ending, Leased, Log, Result
from tests.unit.replica.histories import (
    ACCEPTED,
    Replica,
    everything,
    histories,
    shuffled,
    state_of,
)

seeds = st.integers(0, 1 << 30).map(Random)


@given(histories, seeds)
def test_the_order_of_concurrent_records_does_not_matter(
    replicas: list[Replica], rng: Random
) -> None:
    events = everything(replicas)
    assert state_of(shuffled(events, rng)) == state_of(events)


@given(histories, seeds)
def test_records_applied_again_change_nothing(replicas: list[Replica], rng: Random) -> None:
    """As after a snapshot, which may tell of more than the position from which records follow."""
    events = everything(replicas)
    again, upto = sorted(rng.choices(range(1, len(events) + 1), k=2))
    assert state_of(events[:upto] + events[again:]) == state_of(events)


@given(histories)
def test_nodes_that_heard_the_same_agree(replicas: list[Replica]) -> None:
    for _ in range(2):
        for replica in replicas:
            for other in replicas:
                replica.hear(other.heard)
    first, *others = [replica.state for replica in replicas]
    assert all(other == first for other in others)


@given(histories)
def test_merging_is_hearing_of_what_the_other_heard(
    replicas: list[Replica],
) -> None:
    a, b, _ = replicas
    copy = merged(a.state, a.positions, b.state, b.positions)
    a.hear(b.heard)
    assert copy == a.state


@given(histories)
def test_merging_is_commutative(replicas: list[Replica]) -> None:
    a, b, _ = replicas
    one = merged(a.state, a.positions, b.state, b.positions)
    assert one == merged(b.state, b.positions, a.state, a.positions)


@given(histories)
def test_merging_is_idempotent(replicas: list[Replica]) -> None:
    a, b, _ = replicas
    assert merged(a.state, a.positions, a.state, a.positions) == a.state
    one, known = (
        merged(a.state, a.positions, b.state, b.positions),
        joined(a.positions, b.positions),
    )
    assert merged(one, known, b.state, b.positions) == one


@given(histories)
def test_merging_is_associative(replicas: list[Replica]) -> None:
    a, b, c = replicas
    left = merged(a.state, a.positions, b.state, b.positions)
    left = merged(left, joined(a.positions, b.positions), c.state, c.positions)
    right = merged(b.state, b.positions, c.state, c.positions)
    right = merged(a.state, a.positions, right, joined(b.positions, c.positions))
    assert left == right


def recipient(*trials: Trial) -> RecipientState:
    return RecipientState(Stamp(0, b"a", 0, b"A", 1), Log(0, "one.test"), tuple(sorted(trials)))


def trial(seq: int, result: Result, stale: bool = False) -> Trial:
    return Trial(Attempt(b"A", seq), result, stale)


def test_delivered_removed_bounced_expired_in_that_order() -> None:
    ends = [Result.EXPIRED, Result.BOUNCED, Result.REMOVED, Result.DELIVERED]
    for number, best in enumerate(ends):
        trials = [trial(seq, result) for seq, result in enumerate(ends[: number + 1])]
        assert recipient(*trials).final is best
    assert recipient(trial(1, Result.DOUBT), trial(2, Result.OPEN)).final is None


def test_what_counts_as_a_duplicate() -> None:
    delivered, doubt = trial(1, Result.DELIVERED), trial(2, Result.DOUBT)
    removed, again = trial(3, Result.REMOVED), trial(4, Result.DELIVERED)
    assert recipient().duplicates == 0
    assert recipient(delivered).duplicates == 0
    assert recipient(delivered, removed).duplicates == 0, "a removal is seen by nobody"
    assert recipient(delivered, again).duplicates == 1
    assert recipient(delivered, doubt).duplicates == 1
    assert recipient(delivered, doubt, again).duplicates == 2


def test_an_attempt_that_may_have_been_made_elsewhere_is_a_doubt_until_it_is_known() -> None:
    stale = trial(1, Result.DELIVERED, stale=True)
    assert recipient(stale).doubts == 1
    assert recipient(stale, trial(2, Result.DELIVERED)).doubts == 0
    assert recipient(stale, trial(2, Result.DELIVERED)).duplicates == 1
    assert recipient(trial(1, Result.OPEN, stale=True)).doubts == 0


def test_an_attempt_opens_and_ends() -> None:
    state = accepted(ACCEPTED, Stamp(0, b"a", 0, b"A", 1), 7)
    assert [one.log.due for one in state.recipients] == [7, 7]
    state = leased(state, Leased("Q", (1,)), Stamp(0, b"a", 0, b"A", 2))
    assert [one.leased for one in state.recipients] == [False, True]
    attempt = Attempt(b"A", 2)
    doubt = ended(
        state, Ended("Q", attempt, (Ending(1, Result.DOUBT),)), Stamp(0, b"b", 0, b"B", 1)
    )
    assert doubt.recipients[1].result_of(attempt) is Result.DOUBT
    fact = Ended("Q", attempt, (Ending(1, Result.DELIVERED, mailbox="box"),))
    for before in (state, doubt):
        after = ended(before, fact, Stamp(0, b"a", 0, b"A", 3)).recipients[1]
        assert after.final is Result.DELIVERED
        assert [one.mailbox for one in after.trials] == ["box"]


def test_a_message_is_finished_when_nobody_works_on_it_any_more() -> None:
    def message(*recipients: RecipientState) -> MessageState:
        return MessageState(b"A", 1, recipients)

    ended = recipient(trial(1, Result.DELIVERED))
    assert message(ended).finished
    assert not message(ended, recipient()).finished
    assert not message(recipient(trial(1, Result.DELIVERED), trial(2, Result.OPEN))).finished
