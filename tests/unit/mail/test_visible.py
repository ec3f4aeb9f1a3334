"""Nothing foreign can command a terminal, hide or turn text round."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.visible import visible


@pytest.mark.parametrize(
    "foreign, shown",
    [
        ("", ""),
        ("plain [bold]<b>", "plain [bold]<b>"),
        ("naïve Übergröße 用户 😀", "naïve Übergröße 用户 😀"),
        ("a\tb\r\nc\x00", r"a\x09b\x0d\x0ac\x00"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x7f\x85\x9b31m", r"\x7f\x85\x9b31m"),
        ("invoice\u202efdp.exe", r"invoice\u202efdp.exe"),
        ("\u2066a\u2069\u200e\u061c", r"\u2066a\u2069\u200e\u061c"),
        ("\u2028\u2029\ufeff\u00ad", r"\u2028\u2029\ufeff\xad"),
        ("\udc80", r"\udc80"),
        ("\U000e0041\ue000\uffff", r"\U000e0041\ue000\uffff"),
        ("a\u00a0b\u3000c", "a b c"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        (b"caf\xc3\xa9 \xff\xfe", r"café \xff\xfe"),
        (b"\xc3", r"\xc3"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
    ],
)
def test_shown(foreign: str | bytes, shown: str) -> None:
    assert visible(foreign, 200) == shown


def test_limit() -> None:
    assert visible("12345", 5) == "12345"
    assert visible("123456", 5) == "1234…"
    assert visible("\x1b\x1b", 5) == "\\x1b…"
    assert visible("é".encode() * 6, 5) == "éééé…"
    assert visible("ab", 1) == "…"
    assert len(visible("x" * 10_000_000, 80)) == 80


@given(st.text() | st.binary(), st.integers(1, 50))
def test_never_a_control_character_and_never_longer_than_asked(
    foreign: str | bytes, limit: int
) -> None:
    shown = visible(foreign, limit)
    assert len(shown) <= limit
    shown.encode()
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        assert unicodedata.category(character) != "Cf" or character in "\u200c\u200d"


@given(st.text())
def test_showing_again_changes_nothing(foreign: str) -> None:
    once = visible(foreign, 1000)
    assert visible(once, 1000) == once
