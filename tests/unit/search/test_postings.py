"""Positions come out as they went in, for us and for stock Whoosh."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from whoosh.formats import Positions

from appliance.search.positions import decode_all, encode

position_lists = st.sets(
    st.integers(0, 300) | st.integers(0, 19_999), min_size=1, max_size=400
).map(sorted)


@given(st.lists(position_lists, min_size=1, max_size=20))
@example([list(range(255)), list(range(256)), list(range(0, 500, 2)), [0]])
@example([[19_999], [300, 301]])
def test_positions(some: list[list[int]]) -> None:
    encoded = [encode(each) for each in some]
    for each, value in zip(some, encoded, strict=True):
        assert Positions().decode_positions(value) == each
        assert Positions().decode_frequency(value) == len(each)
    ids = np.arange(3, 3 + len(some), dtype=np.int32)
    expected = [
        document << 16 | position
        for document, each in zip(ids.tolist(), some, strict=True)
        for position in each
    ]
    assert decode_all(ids, encoded).tolist() == expected
