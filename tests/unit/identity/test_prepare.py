"""SASLprep: the examples of RFC 4013 §3, and what it must never change or pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.identity.prepare import Unprepared, saslprep


@pytest.mark.parametrize(
    "text, prepared",
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("päßwörd 🐎", "päßwörd 🐎"),
    ],
)
def test_one_spelling(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\x07", "\u0627\u0031", "a\u0627", "\ufeff\ue000", "a\u0085b"])
def test_what_is_no_password(text: str) -> None:
    with pytest.raises(Unprepared):
        saslprep(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_ascii_stays_as_it_is(text: str) -> None:
    assert saslprep(text) == text


@given(st.text())
def test_both_ways_of_composing_a_letter_are_one(text: str) -> None:
    import unicodedata

    def prepared(form: str) -> str | None:
        try:
            return saslprep(form)
        except Unprepared:
            return None

    composed = prepared(unicodedata.normalize("NFC", text))
    assert composed == prepared(unicodedata.normalize("NFD", text))
