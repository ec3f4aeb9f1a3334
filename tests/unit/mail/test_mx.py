"""The hosts of a domain in their order: RFC 5321 §5.1, RFC 7505."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.mx import (
    MOST_HOSTS,
    MOST_PLACES,
    NO_HOST,
    OURSELVES,
    TAKES_NO_MAIL,
    Exchanger,
    Itself,
    Place,
    exchangers,
    literal,
    places,
)
from appliance.mail.reply import Refused

US = Itself(frozenset({"us.test"}), frozenset({"192.0.2.10", "2001:db8::10"}))


def mx(*records: tuple[int, str]) -> list[Exchanger]:
    return [Exchanger(preference, host) for preference, host in records]


def hosts(records: Sequence[Exchanger]) -> list[str]:
    return [host.host for host in exchangers("to.test", records, US)]


def test_without_mx_the_domain_is_its_own_host() -> None:
    assert exchangers("to.test", [], US) == mx((0, "to.test"))


def test_most_preferred_first() -> None:
    assert hosts(mx((20, "b"), (5, "a"), (65535, "c"))) == ["a", "b", "c"]


@pytest.mark.parametrize("records", [mx((0, "")), mx((10, ""), (20, ""))])
def test_null_mx(records: list[Exchanger]) -> None:
    with pytest.raises(Refused) as refused:
        exchangers("to.test", records, US)
    assert refused.value.reply == TAKES_NO_MAIL
    assert TAKES_NO_MAIL.enhanced == "5.1.10"
    assert TAKES_NO_MAIL.permanent


def test_a_null_mx_beside_others_means_nothing() -> None:
    assert hosts(mx((0, ""), (10, "a"))) == ["a"]


def test_where_we_are_named_the_less_preferred_are_no_use() -> None:
    assert hosts(mx((10, "a"), (20, "US.test"), (20, "b"), (30, "c"))) == ["a"]


@pytest.mark.parametrize("records", [mx((10, "us.test")), mx((10, "a"), (10, "us.test"))])
def test_mail_that_would_come_back_is_returned(records: list[Exchanger]) -> None:
    with pytest.raises(Refused) as refused:
        exchangers("to.test", records, US)
    assert refused.value.reply == OURSELVES
    assert OURSELVES.permanent


def test_a_domain_that_is_this_host_is_a_loop() -> None:
    with pytest.raises(Refused):
        exchangers("us.test", [], US)


def test_our_address_under_another_name() -> None:
    found = {"a": ["192.0.2.1"], "b": ["192.0.2.2", "2001:db8::10"], "c": ["192.0.2.3"]}
    ordered = places(mx((10, "a"), (20, "b"), (30, "c")), found, US, 25, lambda: 0.0)
    assert ordered == [Place("a", "192.0.2.1", 25)]
    with pytest.raises(Refused) as refused:
        places(mx((20, "b"), (30, "c")), found, US, 25, lambda: 0.0)
    assert refused.value.reply == OURSELVES


def test_no_host_has_an_address() -> None:
    with pytest.raises(Refused) as refused:
        places(mx((10, "a"), (20, "b")), {"a": [], "b": []}, US, 25, lambda: 0.0)
    assert refused.value.reply == NO_HOST
    assert NO_HOST.permanent


def test_what_is_looked_up_and_tried_is_bounded() -> None:
    many = mx(*((preference, f"h{preference}") for preference in range(500)))
    kept = exchangers("to.test", many, US)
    assert kept == many[:MOST_HOSTS]
    found = {host.host: ["192.0.2.1", "192.0.2.2"] for host in kept}
    tried = places(kept, found, US, 25, lambda: 0.0)
    assert [place.host for place in tried] == [h for h in ("h0", "h1", "h2", "h3") for _ in "12"]
    assert len(tried) == MOST_PLACES


def test_equals_share_the_load() -> None:
    equal = mx((10, "a"), (10, "b"), (20, "c"))
    found: Mapping[str, Sequence[str]] = {"a": ["1.1.1.1"], "b": ["1.1.1.2"], "c": ["1.1.1.3"]}
    random = Random(1).random
    firsts = [places(equal, found, US, 25, random)[0].host for _ in range(200)]
    assert 60 < firsts.count("a") < 140
    assert firsts.count("c") == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdef")), min_size=1), st.randoms())
def test_preference_always_decides(records: list[tuple[int, str]], random: Random) -> None:
    found = {host: ["192.0.2.1"] for host in "abcdef"}
    tried = places(exchangers("to.test", mx(*records), US), found, US, 25, random.random)
    best = sorted(preference for preference, _ in records)[: len(tried)]
    assert all(
        (preference, place.host) in records for preference, place in zip(best, tried, strict=True)
    )


@pytest.mark.parametrize(
    "address, ip",
    [
        ("x@[192.0.2.1]", "192.0.2.1"),
        ("x@[IPv6:2001:DB8::0001]", "2001:db8::1"),
        ("x@192.0.2.1.test", None),
        ('"@[192.0.2.1]"@to.test', None),
    ],
)
def test_literal(address: str, ip: str | None) -> None:
    assert literal(address) == ip
