"""A signed file and a public key are enough; whatever is changed is noticed."""

from __future__ import annotations

import random

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.report.content import Report
from appliance.report.page import page
from appliance.report.signature import (
    NotGenuine,
    key_id,
    parsed,
    printed,
    signed_json,
    signed_page,
    verify,
)
from tests.unit.report.values import report

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PAGE = signed_page(page(report()), KEY)
JSON = signed_json(msgspec.json.encode(report()), KEY)
PUBLIC = KEY.public_key()


@pytest.mark.parametrize("file", [PAGE, JSON], ids=["page", "json"])
def test_what_was_signed_verifies(file: bytes) -> None:
    assert verify(file, parsed(printed(PUBLIC)))
    with pytest.raises(NotGenuine, match="another key"):
        verify(file, OTHER.public_key())


def test_the_json_is_json_and_holds_the_report() -> None:
    document = msgspec.json.decode(JSON)
    assert msgspec.convert(document["report"], Report) == report()
    assert verify(JSON, PUBLIC) == msgspec.json.encode(report())


@pytest.mark.parametrize("file", [PAGE, JSON], ids=["page", "json"])
def test_every_change_is_noticed(file: bytes) -> None:
    chance = random.Random(3)
    places = [0, 1, len(file) - 1, *chance.sample(range(len(file)), 60)]
    for place in places:
        changed = bytearray(file)
        changed[place] ^= 1 << chance.randrange(8)
        with pytest.raises(NotGenuine):
            verify(bytes(changed), PUBLIC)
    for changed_file in (file + b"\n", file + b"<p>more</p>", b" " + file, file[:-1], b""):
        with pytest.raises(NotGenuine):
            verify(changed_file, PUBLIC)


def test_one_kind_of_file_is_not_taken_for_the_other() -> None:
    content = b"the same bytes"
    signature = signed_json(content, KEY)[14:102]
    with pytest.raises(NotGenuine):
        verify(content + b"<!-- Twinpost signature: " + signature + b" -->\n", PUBLIC)


def test_a_signature_cannot_be_covered_by_a_second_one() -> None:
    with pytest.raises(NotGenuine):
        verify(signed_page(PAGE, OTHER), PUBLIC)


def test_keys_are_told_apart() -> None:
    assert key_id(PUBLIC) != key_id(OTHER.public_key())
    for text in ("", "ssh-ed25519 AAAA", printed(PUBLIC)[:-4], printed(PUBLIC) + "=="):
        with pytest.raises(ValueError, match=r"key|padd|padding|32|data"):
            parsed(text)
