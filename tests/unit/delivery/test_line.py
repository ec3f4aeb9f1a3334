"""Who is next in a destination's line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.delivery.content import Content
from appliance.delivery.errand import Errand, Job
from appliance.delivery.line import Line
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import QueueId
from appliance.mail.work import AttemptId, Lease, LeasedRecipient
from tests.support.work import MemoryContent


def job(number: int, bulk: bool) -> Job:
    to = LeasedRecipient(0, "b@to.test", 0)
    lease = Lease(
        AttemptId(b"i", number),
        QueueId("Q"),
        Envelope("", (Recipient("b@to.test"),)),
        (to,),
        1,
        0,
        bulk,
    )
    content = Content(MemoryContent(), lease.queue_id)
    return Job(Errand(lease, content, lambda: True, 0.0), lease.recipients)


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 60))
def test_each_kind_keeps_its_order_and_nothing_is_lost(kinds: list[bool], early: int) -> None:
    line, taken = Line(), list[Job]()
    for number, bulk in enumerate(kinds):
        line.append(job(number, bulk))
        if number % 7 == early % 7:
            taken.append(line.take())
    while len(line):
        taken.append(line.take())
    for kind in (False, True):
        order = [one.errand.lease.attempt.seq for one in taken if one.bulk is kind]
        assert order == [number for number, bulk in enumerate(kinds) if bulk is kind]


def test_one_in_four_is_bulk_while_both_wait() -> None:
    line = Line()
    for number in range(40):
        line.append(job(number, number % 2 == 0))
    kinds = [line.take().bulk for _ in range(20)]
    assert [sum(kinds[start : start + 4]) for start in range(0, 20, 4)] == [1] * 5


def test_what_is_put_back_is_next_of_its_kind() -> None:
    line, first, second = Line(), job(1, False), job(2, False)
    line.append(first)
    line.append(second)
    line.put_back(line.take())
    assert line.take() is first
    assert line.remove(lambda one: one is second) == [second]
    assert not len(line)
