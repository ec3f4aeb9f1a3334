"""Messages are found by their numbers: one that is left out would be a message not found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.spool.places import Places
from appliance.spool.schema import NUMBER_BITS

_keys = st.builds(
    lambda index, number: index << NUMBER_BITS | number, st.integers(0, 3), st.integers(1, 40)
)


@given(
    st.lists(_keys, unique=True),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 40)), max_size=3),
    st.integers(0, 20),
)
def test_ranges_have_exactly_the_messages_in_them(
    keys: list[int], wanted: list[tuple[int, int, int]], most: int
) -> None:
    places = Places()
    for since, key in enumerate(keys):
        places.add(since, key)
    ranges = []
    for index, first, many in wanted:
        begins = index << NUMBER_BITS | first
        ranges.append((begins, begins + many))
    meant = {
        (since, key)
        for since, key in enumerate(keys)
        if any(first <= key < end for first, end in ranges)
    }
    found = places.find(ranges, most)
    if found is None:
        assert sum(end - first for first, end in ranges) > most
    else:
        assert found == meant
    assert places.find(ranges, len(keys) * len(ranges)) == meant


def test_too_many_are_not_told() -> None:
    places = Places()
    for key in range(1, 6):
        places.add(key, key)
    assert places.find([(1, 5)], 3) is None
    assert places.find([(1, 5)], 4) == {(1, 1), (2, 2), (3, 3), (4, 4)}
