"""The pairing code: what a person may do to it, and what is noticed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.link.certificates import PrivateKey, fingerprint
from appliance.link.code import Mistyped, PairingCode

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.builds(
    PairingCode, st.binary(min_size=16, max_size=16), st.binary(min_size=9, max_size=9)
)


@given(codes)
def test_a_code_is_read_as_it_was_printed(code: PairingCode) -> None:
    assert PairingCode.parse(str(code)) == code


def test_a_code_looks_like_this() -> None:
    code = PairingCode(bytes(range(16)), bytes(range(16, 25)))
    assert str(code) == "000G4-40R4F-0M30Y-E209X-185GE-R38EY-1W81B-24GK1-2GAHJ-C5RR3"


@given(codes, st.randoms(use_true_random=False))
def test_case_lookalikes_and_separators_do_not_matter(code: PairingCode, random: object) -> None:
    text = str(code).lower().replace("0", "o").replace("1", "l")
    assert PairingCode.parse(text.replace("-", " ")) == code
    assert PairingCode.parse(text.replace("-", "\n")) == code
    assert PairingCode.parse(text.replace("-", "")) == code
    assert PairingCode.parse(f"  {str(code).replace('1', 'i').replace('-', '–')} ") == code


@given(codes, st.integers(0, 49), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed_and_its_group_named(
    code: PairingCode, place: int, wrong: str
) -> None:
    characters = str(code).replace("-", "")
    assume(characters[place] != wrong)
    with pytest.raises(Mistyped) as caught:
        PairingCode.parse(characters[:place] + wrong + characters[place + 1 :])
    assert caught.value.group == place // 5 + 1


@given(codes, st.integers(0, 48))
def test_two_swapped_characters_are_noticed(code: PairingCode, place: int) -> None:
    text = str(code).replace("-", "")
    assume(text[place] != text[place + 1])
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    with pytest.raises(Mistyped):
        PairingCode.parse(swapped)


@given(codes, st.integers(0, 9), st.integers(0, 9))
def test_swapped_groups_are_noticed(code: PairingCode, one: int, other: int) -> None:
    groups = str(code).split("-")
    assume(one != other)
    groups[one], groups[other] = groups[other], groups[one]
    with pytest.raises(Mistyped) as caught:
        PairingCode.parse("-".join(groups))
    assert caught.value.group == min(one, other) + 1


@given(st.text(max_size=80))
def test_any_text_is_a_code_or_mistyped(text: str) -> None:
    with contextlib.suppress(Mistyped):
        PairingCode.parse(text)


@pytest.mark.parametrize("text", ["", "ABCDE", "0" * 49, "0" * 51])
def test_a_wrong_length_is_said(text: str) -> None:
    with pytest.raises(Mistyped, match=f"50 characters, this has {len(text)}"):
        PairingCode.parse(text)


def test_a_character_of_no_code_is_said() -> None:
    code = str(PairingCode(bytes(16), bytes(9)))
    with pytest.raises(Mistyped, match="group 10: 'U'"):
        PairingCode.parse(code[:-1] + "U")


def test_a_code_names_one_authority_by_128_bits() -> None:
    key = PrivateKey.generate().public_key
    code = PairingCode.make(key, bytes(9))
    assert code.authority == fingerprint(key)[:16]
    assert code.matches(key)
    assert not code.matches(PrivateKey.generate().public_key)


def test_a_code_does_not_show_its_secret_in_logs() -> None:
    assert "51" not in repr(PairingCode(bytes(16), b"Q" * 9))
