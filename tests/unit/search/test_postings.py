"""Places come out as they went in, for us and for stock Whoosh."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from whoosh.formats import Positions

from appliance.search.partition import write_file
from appliance.search.pool import Pool, build
from appliance.search.positions import encode_all
from appliance.search.postings import FIELDS
from appliance.search.segment import Segment

position_lists = st.sets(
    st.integers(0, 300) | st.integers(0, 19_999), min_size=1, max_size=400
).map(sorted)
edges = [list(range(255)), list(range(256)), list(range(0, 500, 2)), [0], [19_999], [300, 301]]


@given(st.lists(position_lists, min_size=1, max_size=20))
@example(edges)
def test_positions_for_stock_whoosh(some: list[list[int]]) -> None:
    sizes = np.array([len(each) for each in some])
    flat = np.array([position for each in some for position in each], np.int64)
    encoded = encode_all(flat, sizes.cumsum() - sizes)
    for each, value in zip(some, encoded, strict=True):
        assert Positions().decode_positions(value) == each
        assert Positions().decode_frequency(value) == len(each)


@settings(max_examples=20)
@given(st.lists(position_lists, min_size=1, max_size=20))
@example(edges)
def test_positions_in_a_segment(some: list[list[int]]) -> None:
    pool = Pool()
    for number, each in enumerate(some):
        words = ["other"] * (each[-1] + 1)
        for position in each:
            words[position] = "tide"
        pool.add(f"Q{number}", {name: words if name == "body" else [] for name in FIELDS})
    built = build(pool, lambda: None)
    with TemporaryDirectory() as folder:
        write_file(Path(folder) / built.name, built.data)
        segment = Segment(Path(folder), built.file(), built.segment)
        term = segment.term("body", "tide")
        assert term is not None
        assert segment.ids(term).tolist() == list(range(len(some)))
        for within in (np.ones(len(some), np.bool_), np.arange(len(some)) % 2 == 1):
            assert segment.places(term, within).tolist() == [
                document << 16 | position
                for document, each in enumerate(some)
                if within[document]
                for position in each
            ]
