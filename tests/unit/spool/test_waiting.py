"""When an answer may be given: 250 means both disks while the pair is paired."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.frames import Answer
from appliance.spool.operations import Done, Send
from appliance.spool.waiting import Waiting


def tokens(given: list[Done | Send]) -> list[object]:
    return [answer.token for answer in given if isinstance(answer, Done)]


def test_paired_an_answer_waits_for_both() -> None:
    waiting = Waiting()
    waiting.add(3, Done("a"))
    assert waiting.release(3, 2, True) == []
    assert waiting.release(2, 3, True) == []
    assert bool(waiting)
    assert tokens(waiting.release(3, 3, True)) == ["a"]
    assert not waiting


def test_alone_an_answer_waits_for_this_disk() -> None:
    waiting = Waiting()
    waiting.add(3, Done("a"))
    assert waiting.release(2, 9, False) == []
    assert tokens(waiting.release(3, 0, False)) == ["a"]


def test_exposed_are_those_the_peer_has_not_said_it_holds() -> None:
    waiting = Waiting()
    waiting.accepted(2)
    waiting.accepted(5)
    assert waiting.exposed == 2
    waiting.release(9, 1, False)
    assert waiting.exposed == 2, "durable here is not enough"
    waiting.release(0, 4, True)
    assert waiting.exposed == 1
    waiting.release(0, 5, True)
    assert waiting.exposed == 0


def test_answers_to_a_peer_go_with_its_connection() -> None:
    waiting = Waiting()
    waiting.add(1, Send(Answer(1, "", "")))
    waiting.add(1, Done("mine"))
    waiting.link_down()
    assert tokens(waiting.release(1, 0, False)) == ["mine"]


@given(
    st.lists(st.integers(0, 5), max_size=10),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=10),
)
def test_answers_come_once_in_order_and_never_early(
    gaps: list[int], news: list[tuple[int, int, bool]]
) -> None:
    waiting, at = Waiting(), 0
    needs = list[int]()
    for gap in gaps:
        at += gap
        needs.append(at)
        waiting.add(at, Done(len(needs) - 1))
    durable = shared = 0
    given = list[object]()
    for more, peer, both in news:
        durable, shared = durable + more, shared + peer
        for token in tokens(waiting.release(durable, shared, both)):
            assert isinstance(token, int)
            assert needs[token] <= durable
            assert needs[token] <= shared or not both
            given.append(token)
    assert given == list(range(len(given)))
    given += tokens(waiting.release(at, at, True))
    assert given == list(range(len(needs)))
