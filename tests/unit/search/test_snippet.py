"""What a hit shows of its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.search.snippet import snippet

TIDE = [("tide", False)]


def shown(pieces: list[tuple[str, bool]]) -> str:
    return "".join(f"[{text}]" if hit else text for text, hit in pieces)


@pytest.mark.parametrize(
    "text, meant, expected",
    [
        ("The Tide,\n  the tides.", TIDE, "The [Tide], the tides."),
        ("The Tide, the tides.", [("tide", True)], "The [Tide], the [tides]."),
        ("Zoë and ZOE", [("zoe", False)], "[Zoë] and [ZOE]"),
        ("nothing of it", TIDE, "nothing of it"),
        ("", TIDE, ""),
        ("riptide", TIDE, "riptide"),
        ("日本語", [("本", False)], "日[本]語"),
    ],
)
def test_snippets(text: str, meant: list[tuple[str, bool]], expected: str) -> None:
    assert shown(snippet(text, meant)) == expected


@pytest.mark.parametrize("filler", ["word", "wörd"])
def test_the_first_hit_is_in_the_window(filler: str) -> None:
    text = f"{filler} " * 500 + "the tide " + f"{filler} " * 500
    told = shown(snippet(text, TIDE))
    assert told.startswith("… ")
    assert told.endswith(" …")
    assert "the [tide] " in told
    assert len(told) < 220


@given(st.text(), st.lists(st.tuples(st.text("abé ", min_size=1, max_size=3), st.booleans())))
def test_any_text(text: str, meant: list[tuple[str, bool]]) -> None:
    pieces = snippet(text, meant)
    assert all(piece for piece, _ in pieces)
    assert len("".join(piece for piece, _ in pieces)) <= 210
