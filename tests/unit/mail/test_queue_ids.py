"""Queue ids are found by how they begin: a number that is left out would be a message not found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.queue_id import TAG_LENGTH, numbers, queue_id

BITS = 40
_TAG = "0" * TAG_LENGTH


@given(st.integers(1, (1 << BITS) - 1), st.integers(0, 8), st.integers(1, (1 << BITS) - 1))
def test_a_beginning_has_exactly_the_numbers_written_so(
    number: int, length: int, other: int
) -> None:
    digits = queue_id(_TAG, number)[TAG_LENGTH:]
    begins = digits[:length]
    ranges = list(numbers(begins, BITS))
    for one in (number, other):
        meant = queue_id(_TAG, one)[TAG_LENGTH:].startswith(begins)
        assert meant == any(first <= one < end for first, end in ranges)


def test_what_occurs_in_no_id_begins_none() -> None:
    assert list(numbers("I", BITS)) == []
    assert list(numbers("1" * 9, BITS)) == []
